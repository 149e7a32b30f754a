CREATE TABLE lost (note text);
INSERT INTO lost VALUES ('cut o