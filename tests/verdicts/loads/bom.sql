CREATE TABLE with_bom (id int);
INSERT INTO with_bom VALUES (1);
