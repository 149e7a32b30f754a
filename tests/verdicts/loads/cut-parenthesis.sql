CREATE TABLE lost (
  id int,
