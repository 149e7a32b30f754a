SET client_encoding = 'LATIN1';
CREATE TABLE in_latin1 (name text);
INSERT INTO in_latin1 VALUES ('Müller');
