-- As schema packages are published: with a database of their own, other encodings, files, indexes made CONCURRENTLY.
\encoding LATIN1
CREATE DATABASE package TEMPLATE template0 ENCODING 'UTF8';
\connect package
CREATE TABLE parts (id int, word text);
\copy parts from 'parts/words.csv' with (format csv)
CREATE INDEX CONCURRENTLY parts_word ON parts (word);
