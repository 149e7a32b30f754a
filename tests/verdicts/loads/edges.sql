CREATE TABLE edges (id int);
COPY edges FROM stdin; SELECT 1;
1
\.
\if false
\i nowhere.sql
THIS IS NEVER RUN;
\endif
SELECT 2 -- no end