CREATE TABLE lost (id int);
\i parts/nowhere.sql
