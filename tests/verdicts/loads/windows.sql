CREATE TABLE from_windows (id int, note text);

COPY from_windows FROM stdin;
1	one
2	two
\.
\if true
INSERT INTO from_windows
VALUES (3, $$three$$);
\endif
