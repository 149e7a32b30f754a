\restrict x1
CREATE TABLE lost (id int);
