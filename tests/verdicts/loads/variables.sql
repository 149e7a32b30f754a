CREATE TABLE variables (a text);
\set v 7
INSERT INTO variables VALUES (:v), (:'v');
\unset v
\o /dev/null
SELECT * FROM variables;
SET client_min_messages = error;
SET ROLE pg_monitor;
