CREATE TABLE lost (id int);
\q
INSERT INTO lost VALUES (1);
