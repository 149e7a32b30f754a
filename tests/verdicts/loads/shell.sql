CREATE TABLE lost (id int);
\! touch /tmp/somewhere
