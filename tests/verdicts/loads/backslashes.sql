SET standard_conforming_strings = off;
CREATE TABLE backslashes (word text);
INSERT INTO backslashes VALUES ('it\'s; ');
