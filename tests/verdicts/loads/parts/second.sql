INSERT INTO parts VALUES (2, 'two');
\ir third.sql
