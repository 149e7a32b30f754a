CREATE TABLE lost (id int);
\connect "host=elsewhere dbname=postgres"
