-- What DROP TABLE ... CASCADE takes with the tables: pg_depend followed as the server's findDependentObjects() does.
-- The tables' OIDs stand in drillyard.tables, 0 for one that is missing; those of schemas that are taken as a whole in drillyard.schemas. Other common table expressions follow this one.
with recursive asked as materialized (
    select u.number, u.id::oid as oid
    from unnest(string_to_array(current_setting('drillyard.tables'), ' ')) with ordinality as u(id, number)
),
gone(classid, objid, objsubid) as (
    (select 'pg_class'::regclass::oid, asked.oid, 0 from asked where asked.oid <> 0
    union all
    select 'pg_namespace'::regclass::oid, u.id::oid, 0 from unnest(string_to_array(current_setting('drillyard.schemas'), ' ')) u(id))
    union
    select next.* from gone g cross join lateral (
        select d.classid, d.objid, d.objsubid from pg_depend d
        where d.refclassid = g.classid and d.refobjid = g.objid and (g.objsubid = 0 or d.refobjsubid = g.objsubid)
            and d.deptype in ('n', 'a', 'i', 'P', 'S', 'x')
        union all
        -- A part that can't go alone takes its whole with it: a view's _RETURN rule the view.
        select d.refclassid, d.refobjid, d.refobjsubid from pg_depend d
        where d.classid = g.classid and d.objid = g.objid and d.objsubid = g.objsubid and d.deptype = 'i'
    ) next
),
