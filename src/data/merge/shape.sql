-- The columns of a table, as the merge needs them: $1 is the table, $2 the key's columns.
select a.attname::text as name,
    format_type(a.atttypid, a.atttypmod) as type,
    -- Of these types `=` says that two values are the same in every respect; numeric's says that 1.0 is 1.00, and json has none.
    t.typtype = 'e' or t.oid = any ('{bool,int2,int4,int8,oid,date,time,timestamp,timestamptz,uuid,bytea,"\"char\""}'::regtype[]::oid[])
        or t.oid = any ('{text,varchar}'::regtype[]::oid[]) and coalesce(l.collisdeterministic, true) as exact,
    a.attgenerated <> '' as generated,
    a.attnotnull as not_null,
    a.attname = any ($2) as key,
    -- The cast to text leaves out the blanks at their ends.
    (with recursive domains as (
        select t.oid, t.typbasetype
        union all select b.oid, b.typbasetype from domains d join pg_catalog.pg_type b on b.oid = d.typbasetype
    ) select bool_or(d.oid = 'bpchar'::regtype) from domains d) as padded,
    a.attidentity = 'a' as identity
from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
    left join pg_catalog.pg_collation l on l.oid = a.attcollation
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
order by a.attnum
