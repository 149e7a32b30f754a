-- Follows cascade.sql: of all that a CASCADE takes, what pg_dump --table leaves out, as (what, schema or summary, name, sql).
-- pg_dump brings the relations that are named to it with their columns, defaults, constraints, indexes, triggers, rules,
-- policies, grants, comments and owned sequences.
rel as materialized (
    select c.oid, n.nspname::text as schema, c.relname::text as name, c.relkind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f', 'v', 'm')
        and c.oid in (select objid from gone where classid = 'pg_class'::regclass and objsubid = 0)
),
-- What pg_dump --schema brings with the schemas.
whole as materialized (
    select g.classid, g.objid, g.objsubid from gone g cross join lateral pg_identify_object(g.classid, g.objid, g.objsubid) i
    where current_setting('drillyard.schemas') <> '' and (i.schema in (select quote_ident(nspname) from pg_namespace where oid::text = any (string_to_array(current_setting('drillyard.schemas'), ' ')))
        and g.objsubid = 0 or g.classid in ('pg_namespace'::regclass, 'pg_default_acl'::regclass))
),
class as (select objid as oid from gone where classid = 'pg_class'::regclass and objsubid = 0),
lone as materialized (
    select g.classid, g.objid, g.objsubid, d.description as comment
    from gone g left join pg_description d on d.classoid = g.classid and d.objoid = g.objid and d.objsubid = g.objsubid
),
alone(oid, attach) as (
    select r.oid, format('ALTER TABLE ONLY %s ATTACH PARTITION %s %s;', i.inhparent::regclass, r.oid::regclass, pg_get_expr(c.relpartbound, r.oid))
    from rel r join pg_class c on c.oid = r.oid join pg_inherits i on i.inhrelid = r.oid
    where c.relispartition and i.inhparent not in (select oid from rel)
),
part(place, classid, objid, objsubid, summary, sql) as (
    -- What belongs to something that is dumped, or goes and comes with another part, has no statements of its own.
    select 0, classid, objid, objsubid, null, null from lone where case classid
        when 'pg_class'::regclass then objid in (select oid from rel)
            or exists (select from pg_class c where c.oid = objid and c.relkind = 't')
            or exists (select from pg_index i where i.indexrelid = objid and (i.indrelid in (select oid from rel)
                or exists (select from pg_class c where c.oid = i.indrelid and c.relkind = 't')
                or exists (select from pg_constraint k where k.conindid = objid and k.contype in ('p', 'u', 'x'))))
            or exists (select from pg_class c join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid
                where c.oid = lone.objid and c.relkind = 'S' and d.refclassid = 'pg_class'::regclass
                    and d.refobjid in (select oid from rel) and d.deptype in ('a', 'i'))
        when 'pg_type'::regclass then exists (select from pg_type t left join pg_type e on e.typarray = t.oid
            where t.oid = objid and (t.typrelid in (select oid from class) or e.oid in (select g.objid from gone g where g.classid = 'pg_type'::regclass)))
        when 'pg_constraint'::regclass then exists (select from pg_constraint k
            where k.oid = objid and k.conrelid <> 0 and (k.conrelid in (select oid from rel) or k.conparentid <> 0))
        when 'pg_trigger'::regclass then exists (select from pg_trigger t
            where t.oid = objid and (t.tgisinternal or t.tgparentid <> 0 or t.tgrelid in (select oid from rel)))
        when 'pg_rewrite'::regclass then exists (select from pg_rewrite r where r.oid = objid and r.ev_class in (select oid from rel))
        when 'pg_policy'::regclass then exists (select from pg_policy p where p.oid = objid and p.polrelid in (select oid from rel))
        when 'pg_attrdef'::regclass then exists (select from pg_attrdef a where a.oid = objid and (a.adrelid in (select oid from rel)
            or exists (select from gone g where g.classid = 'pg_class'::regclass and g.objid = a.adrelid and g.objsubid = a.adnum)))
        else false end
    union all
    select 0, classid, objid, objsubid, null, null from whole
    union all
    select 1, classid, objid, objsubid, 'function ' || f.oid::regprocedure, concat_ws(E'\n', pg_get_functiondef(f.oid) || ';',
        format('ALTER ROUTINE %s OWNER TO %I;', f.oid::regprocedure, pg_get_userbyid(f.proowner)),
        case when f.proacl is not null then format('REVOKE ALL ON ROUTINE %s FROM PUBLIC, %I;', f.oid::regprocedure, pg_get_userbyid(f.proowner)) end,
        (select string_agg(format('GRANT EXECUTE ON ROUTINE %s TO %s%s;', f.oid::regprocedure,
            case x.grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(x.grantee)) end,
            case when x.is_grantable then ' WITH GRANT OPTION' else '' end), E'\n' order by x.grantee) from aclexplode(f.proacl) x),
        'COMMENT ON ROUTINE ' || f.oid::regprocedure || ' IS ' || quote_literal(comment) || ';')
    from lone join pg_proc f on f.oid = objid where classid = 'pg_proc'::regclass and f.prokind in ('f', 'p')
        -- One that a dumped relation is made with would come too late.
        and not exists (select from pg_depend d where d.refclassid = 'pg_proc'::regclass and d.refobjid = f.oid and case d.classid
            when 'pg_rewrite'::regclass then (select r.ev_class from pg_rewrite r where r.oid = d.objid)
            when 'pg_attrdef'::regclass then (select a.adrelid from pg_attrdef a where a.oid = d.objid)
            when 'pg_constraint'::regclass then (select k.conrelid from pg_constraint k where k.oid = d.objid)
            when 'pg_policy'::regclass then (select p.polrelid from pg_policy p where p.oid = d.objid)
            when 'pg_trigger'::regclass then (select t.tgrelid from pg_trigger t where t.oid = d.objid)
            when 'pg_class'::regclass then coalesce((select i.indrelid from pg_index i where i.indexrelid = d.objid), d.objid)
            end in (select oid from rel))
    union all
    select 2, classid, objid, objsubid, format('default of column %I of %s', c.attname, a.adrelid::regclass),
        format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s;', a.adrelid::regclass, c.attname, pg_get_expr(a.adbin, a.adrelid))
    from lone join pg_attrdef a on a.oid = objid join pg_attribute c on c.attrelid = a.adrelid and c.attnum = a.adnum
    where classid = 'pg_attrdef'::regclass and c.attgenerated = ''
    union all
    select 3, classid, objid, objsubid, format('index %s on %s', i.indexrelid::regclass, i.indrelid::regclass), concat_ws(E'\n',
        pg_get_indexdef(i.indexrelid) || ';',
        case when i.indisclustered then format('ALTER TABLE %s CLUSTER ON %I;', i.indrelid::regclass, c.relname) end,
        'COMMENT ON INDEX ' || i.indexrelid::regclass || ' IS ' || quote_literal(comment) || ';')
    from lone join pg_index i on i.indexrelid = objid join pg_class c on c.oid = objid
    where classid = 'pg_class'::regclass and objsubid = 0 and c.relkind = 'i' and not c.relispartition and not i.indisreplident
    union all
    -- IF NOT EXISTS: for a pg_dump that brings them itself.
    select 4, classid, objid, objsubid, format('statistics object %I.%I on %s', n.nspname, s.stxname, s.stxrelid::regclass), concat_ws(E'\n',
        regexp_replace(pg_get_statisticsobjdef(s.oid), '^CREATE STATISTICS ', 'CREATE STATISTICS IF NOT EXISTS ') || ';',
        format('ALTER STATISTICS %I.%I OWNER TO %I;', n.nspname, s.stxname, pg_get_userbyid(s.stxowner)),
        case when s.stxstattarget >= 0 then format('ALTER STATISTICS %I.%I SET STATISTICS %s;', n.nspname, s.stxname, s.stxstattarget) end,
        format('COMMENT ON STATISTICS %I.%I IS ', n.nspname, s.stxname) || quote_literal(comment) || ';')
    from lone join pg_statistic_ext s on s.oid = objid join pg_namespace n on n.oid = s.stxnamespace
    where classid = 'pg_statistic_ext'::regclass
    union all
    select 4, 'pg_class'::regclass, r.oid, 0, format('table %s as a partition of %s', r.oid::regclass, i.inhparent::regclass), alone.attach
    from rel r join alone on alone.oid = r.oid join pg_inherits i on i.inhrelid = r.oid
    union all
    select 5, classid, objid, objsubid, format('rule %I on %s', r.rulename, r.ev_class::regclass), concat_ws(E'\n', pg_get_ruledef(r.oid),
        case when r.ev_enabled <> 'O' then format('ALTER TABLE %s %s RULE %I;', r.ev_class::regclass,
            case r.ev_enabled when 'D' then 'DISABLE' when 'R' then 'ENABLE REPLICA' else 'ENABLE ALWAYS' end, r.rulename) end,
        format('COMMENT ON RULE %I ON %s IS ', r.rulename, r.ev_class::regclass) || quote_literal(comment) || ';')
    from lone join pg_rewrite r on r.oid = objid where classid = 'pg_rewrite'::regclass and r.rulename <> '_RETURN'
    union all
    select 6, classid, objid, objsubid, format('trigger %I on %s', t.tgname, t.tgrelid::regclass), concat_ws(E'\n', pg_get_triggerdef(t.oid) || ';',
        case when t.tgenabled <> 'O' then format('ALTER TABLE %s %s TRIGGER %I;', t.tgrelid::regclass,
            case t.tgenabled when 'D' then 'DISABLE' when 'R' then 'ENABLE REPLICA' else 'ENABLE ALWAYS' end, t.tgname) end,
        format('COMMENT ON TRIGGER %I ON %s IS ', t.tgname, t.tgrelid::regclass) || quote_literal(comment) || ';')
    from lone join pg_trigger t on t.oid = objid where classid = 'pg_trigger'::regclass
    union all
    select 7, classid, objid, objsubid, format('policy %I on %s', p.polname, p.polrelid::regclass), concat_ws(E'\n',
        concat_ws(' ', format('CREATE POLICY %I ON %s AS %s FOR', p.polname, p.polrelid::regclass, case when p.polpermissive then 'PERMISSIVE' else 'RESTRICTIVE' end),
            case p.polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE' else 'ALL' end,
            'TO', (select string_agg(case u when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(u)) end, ', ') from unnest(p.polroles) u),
            'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', 'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') || ';',
        format('COMMENT ON POLICY %I ON %s IS ', p.polname, p.polrelid::regclass) || quote_literal(comment) || ';')
    from lone join pg_policy p on p.oid = objid where classid = 'pg_policy'::regclass
    union all
    select 8, classid, objid, objsubid, format('table %s in publication %I', m.prrelid::regclass, p.pubname),
        concat_ws(' ', format('ALTER PUBLICATION %I ADD TABLE ONLY %s', p.pubname, m.prrelid::regclass),
            (select '(' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || ')' from pg_attribute a where a.attrelid = m.prrelid and a.attnum = any (m.prattrs::int2[])), -- 15+
            'WHERE (' || pg_get_expr(m.prqual, m.prrelid) || ')', -- 15+
            null) || ';'
    from lone join pg_publication_rel m on m.oid = objid join pg_publication p on p.oid = m.prpubid where classid = 'pg_publication_rel'::regclass
    union all -- 15+
    select 8, classid, objid, objsubid, format('schema %I in publication %I', m.pnnspid::regnamespace::text, p.pubname), -- 15+
        format('ALTER PUBLICATION %I ADD TABLES IN SCHEMA %s;', p.pubname, m.pnnspid::regnamespace) -- 15+
    from lone join pg_publication_namespace m on m.oid = objid join pg_publication p on p.oid = m.pnpubid where classid = 'pg_publication_namespace'::regclass -- 15+
    union all
    -- Foreign keys last: they look at the rows.
    select case k.contype when 'f' then 10 else 9 end, classid, objid, objsubid,
        format('%s %I on %s', case k.contype when 'f' then 'foreign key' else 'constraint' end, k.conname, k.conrelid::regclass), concat_ws(E'\n',
        format('ALTER TABLE %s ADD CONSTRAINT %I %s;', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)),
        format('COMMENT ON CONSTRAINT %I ON %s IS ', k.conname, k.conrelid::regclass) || quote_literal(comment) || ';')
    from lone join pg_constraint k on k.oid = objid
    where classid = 'pg_constraint'::regclass and k.conrelid <> 0 and k.contype in ('f', 'c', 'x') and k.coninhcount = 0
)
select 'relation' as what, schema, name, case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
        else 'table' end as sql, 0 as place, oid as id
    from rel where oid not in (select oid from asked) and oid not in (select objid from whole where classid = 'pg_class'::regclass)
union all
select 'absent', number::text, '', '', 0, 0 from asked where oid = 0
union all
select * from (select distinct on (place, classid, objid) 'sql', summary, '', sql, place, objid from part p where place > 0
    and (place = 4 and classid = 'pg_class'::regclass or not exists (select from part q where q.place = 0 and (q.classid, q.objid, q.objsubid) = (p.classid, p.objid, p.objsubid)))) s
union all
select 'without', attach, '', '', 0, oid from alone
union all
-- ATTACH PARTITION finds the indexes itself.
select 'without', format('ALTER INDEX %s ATTACH PARTITION %s;', h.inhparent::regclass, i.indexrelid::regclass), '', '', 0, i.indexrelid
    from alone join pg_index i on i.indrelid = alone.oid join pg_inherits h on h.inhrelid = i.indexrelid
union all
select 'unknown', i.type || ' ' || i.identity, '', '', 0, l.objid
    from lone l cross join lateral pg_identify_object(l.classid, l.objid, l.objsubid) i
    where not exists (select from part p where (p.classid, p.objid, p.objsubid) = (l.classid, l.objid, l.objsubid))
union all
select 'unknown', format('table %I.%I in subscription %I', r.schema, r.name, s.subname), '', '', 0, s.oid
    from rel r join pg_subscription_rel m on m.srrelid = r.oid join pg_subscription s on s.oid = m.srsubid
order by place, id, what
