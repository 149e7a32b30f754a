CREATE TABLE lost (id int);
COPY lost FROM stdin;
1
2
