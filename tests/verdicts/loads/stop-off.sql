\set ON_ERROR_STOP off
CREATE TABLE lost (id int);
INSERT INTO lost SELECT generate_series(1, 10);
SELECT
  nonsense
FROM lost;
