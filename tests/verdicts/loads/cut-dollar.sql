CREATE TABLE lost (note text);
DO $$ BEGIN
  NULL;
