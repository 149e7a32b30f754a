CREATE TABLE lost (id int);
SELECT pg_sleep(600);
