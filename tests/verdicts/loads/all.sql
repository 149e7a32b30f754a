\set word many
CREATE TABLE parts (id int, word text);
\i parts/first.sql
\ir parts/second.sql
\copy parts (id, word) from 'parts/rows.csv' with (format csv, header)
SELECT format('INSERT INTO parts VALUES (%s, %L)', i, :'word') FROM generate_series(20, 21) i \gexec
