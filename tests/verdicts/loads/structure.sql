-- As pg_dump writes it.
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET row_security = off;

CREATE TABLE public.invoices (
    id integer NOT NULL,
    customer text NOT NULL
);

COPY public.invoices (id, customer) FROM stdin;
1	Meyer
2	O'Neill
\.

ALTER TABLE ONLY public.invoices ADD CONSTRAINT invoices_pkey PRIMARY KEY (id);
