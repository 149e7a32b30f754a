CREATE TABLE gone (id int);
SELECT 'COMMIT' \gexec
CREATE TABLE kept (id int);
