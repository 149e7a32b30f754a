CREATE TABLE undeclared (name text);
INSERT INTO undeclared VALUES ('Müller');
