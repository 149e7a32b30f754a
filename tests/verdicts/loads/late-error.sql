CREATE TABLE first_one (id int);

CREATE TABLE second_one (
    id int,
    at timestamp DEFAULT no_such_function()
);
CREATE TABLE third_one (id int);
