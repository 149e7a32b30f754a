CREATE TABLE lost (id int);
\i parts/broken.sql
