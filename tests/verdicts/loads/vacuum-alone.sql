VACUUM items;
ANALYZE items;
