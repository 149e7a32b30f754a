-- Follows cascade.sql. A line that ends in `-- 15+` is for servers from 15 on, one that ends in `-- <15` for older ones.
rel as materialized (
    select c.oid, c.oid::regclass::text as name, c.relkind, c.relowner, c.relacl
    from pg_class c
    where c.relkind in ('r', 'p', 'f', 'v', 'm', 'S') and c.oid in (
        select objid from gone where classid = 'pg_class'::regclass and objsubid = 0
        union
        -- Sequences that the columns' defaults use, whoever owns them.
        select d.refobjid from pg_attrdef a join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = a.oid
        where d.refclassid = 'pg_class'::regclass
            -- "is true" lets it be looked up in a hash: as a join it is done row by row, which takes seconds with 1,000 partitions.
            and (a.adrelid in (select objid from gone where classid = 'pg_class'::regclass)) is true)
),
acl as (
    select oid, name, '' as col, relowner,
        coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)) as acl from rel
    union all
    select r.oid, r.name, format('(%I)', a.attname), r.relowner, a.attacl
    from rel r join pg_attribute a on a.attrelid = r.oid where a.attacl is not null and not a.attisdropped
),
-- What people can set: `column.n_distinct`, `btree.fillfactor`. Other options are the server's own: they are named, and not compared.
settable(list) as materialized (select string_to_array(current_setting('drillyard.options'), ' ')),
opts as materialized (
    select c.oid, string_agg(o, ', ' order by n) filter (where known) as said, array_agg(option order by n) filter (where not known) as odd,
        -- As pg_get_indexdef() shows them.
        string_agg(quote_ident(option) || '=' || case when quote_ident(value) = value then value else quote_literal(value) end, ', ' order by n) as shown,
        string_agg(quote_ident(option) || '=' || case when quote_ident(value) = value then value else quote_literal(value) end, ', ' order by n) filter (where known) as kept
    from pg_class c left join pg_am m on m.oid = c.relam cross join lateral unnest(c.reloptions) with ordinality u(o, n)
        cross join lateral (select split_part(o, '=', 1) as option, substr(o, strpos(o, '=') + 1) as value) p
        -- An access method that does not come with PostgreSQL defines options of its own.
        cross join lateral (select c.relam >= 16384 or concat(case when c.relkind = 'v' then 'view' when c.relkind in ('i', 'I') then m.amname else 'table' end, '.', option)
            = any ((select list from settable)::text[]) as known) k
    where c.reloptions is not null group by c.oid
),
-- What ALTER ... DEPENDS ON EXTENSION has said.
ext as materialized (
    select d.classid, d.objid, string_agg(', depends on extension ' || quote_ident(e.extname), '' order by e.extname) as said
    from pg_depend d join pg_extension e on e.oid = d.refobjid where d.refclassid = 'pg_extension'::regclass and d.deptype = 'x' group by d.classid, d.objid
),
-- Foreign keys with what their tables' partitions have of them, and where triggers of these are not enabled. Each partition's can be switched off alone.
family(root, oid, relid) as (
    select k.oid, k.oid, k.conrelid from pg_constraint k where k.contype in ('f', 'u', 'p', 'x') and (k.contype = 'f' or k.condeferrable)
    union all
    select f.root, k.oid, f.relid from family f join pg_constraint k on k.conparentid = f.oid and k.contype = 'f'
),
switched as materialized (
    select f.root, case when bool_or(g.tgrelid in (k.conrelid, k.confrelid)) then ', its triggers are not all enabled'
        when count(distinct g.tgrelid) > 3 then format(', its triggers on %s and %s more tables are not all enabled', min(g.tgrelid::regclass::text collate "C"), count(distinct g.tgrelid) - 1)
        else ', its triggers on ' || string_agg(distinct g.tgrelid::regclass::text, ', ') || ' are not all enabled' end as said
    from (select oid, tgconstraint, tgrelid from pg_trigger where tgconstraint <> 0 and tgenabled <> 'O') g join family f on f.oid = g.tgconstraint
        join pg_constraint k on k.oid = f.root group by f.root
),
-- The columns' types, and the types that these are made of.
typ(relid, oid) as (
    select r.oid, a.atttypid from rel r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped where r.relkind in ('r', 'p', 'f')
    union
    select t.relid, n.oid from typ t join pg_type y on y.oid = t.oid cross join lateral (
        select y.typelem as oid where y.typcategory = 'A'
        union all select y.typbasetype where y.typtype = 'd'
        union all select a.atttypid from pg_attribute a where y.typtype = 'c' and a.attrelid = y.typrelid and a.attnum > 0 and not a.attisdropped
        union all select g.rngsubtype from pg_range g where y.typtype = 'r' and g.rngtypid = y.oid
        union all select g.rngtypid from pg_range g where y.typtype = 'm' and g.rngmultitypid = y.oid -- 14+
        ) n where n.oid <> 0 and y.typnamespace <> 'pg_catalog'::regnamespace and not (y.typtype = 'c' and y.typrelid in (select oid from rel))
),
-- The functions that triggers, defaults, checks, indexes, policies and rules of the tables call, but for those that come with PostgreSQL or an extension.
called as materialized (
    select distinct u.relid, f.oid, u.what from (
        select g.tgrelid as relid, g.tgfoid as fn, 'trigger function' as what from pg_trigger g where not g.tgisinternal or g.tgparentid <> 0
        union all
        select case d.classid
            when 'pg_attrdef'::regclass then (select a.adrelid from pg_attrdef a where a.oid = d.objid)
            when 'pg_constraint'::regclass then (select k.conrelid from pg_constraint k where k.oid = d.objid)
            when 'pg_class'::regclass then (select i.indrelid from pg_index i where i.indexrelid = d.objid)
            when 'pg_policy'::regclass then (select p.polrelid from pg_policy p where p.oid = d.objid)
            when 'pg_rewrite'::regclass then (select w.ev_class from pg_rewrite w where w.oid = d.objid) end, d.refobjid, 'function'
        from pg_depend d where d.refclassid = 'pg_proc'::regclass and d.deptype = 'n'
            and d.classid in ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass)
    ) u join pg_proc f on f.oid = u.fn
    where f.oid >= 16384 and u.relid in (select oid from rel) and f.oid not in (select objid from gone where classid = 'pg_proc'::regclass)
        and not exists (select from pg_depend e where e.classid = 'pg_proc'::regclass and e.objid = f.oid and e.deptype = 'e')
),
-- What pg_get_indexdef() and pg_get_constraintdef() do not say of an index.
idx as (
    select i.indexrelid as oid, concat(case when i.indisclustered then ', clustered' end, case when i.indisreplident then ', replica identity' end,
        (select ', tablespace ' || s.spcname from pg_class c join pg_tablespace s on s.oid = c.reltablespace where c.oid = i.indexrelid),
        (select ', statistics ' || string_agg(a.attnum || ': ' || a.attstattarget, ', ' order by a.attnum) from pg_attribute a
            where a.attrelid = i.indexrelid and a.attstattarget >= 0),
        case when not i.indisvalid then ', invalid' end, case when not i.indisready then ', not ready' end, case when not i.indislive then ', not live' end,
        (select x.said from ext x where x.classid = 'pg_class'::regclass and x.objid = i.indexrelid)) as said
    from pg_index i where i.indrelid in (select oid from rel) or i.indexrelid in (select objid from gone where classid = 'pg_class'::regclass)
        or i.indrelid in (select k.conrelid from gone g join pg_constraint k on k.oid = g.objid where g.classid = 'pg_constraint'::regclass)
),
-- The columns that get their numbers from a sequence: by their default, by being its owner. Where a parent's column does, it speaks
-- for its partitions and children. Text, or a default that does more than take the number, can't be compared with a position.
counted as (
    select s.oid as seq, d.refobjid as relid, d.refobjsubid as attnum
    from rel s join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
    where s.relkind = 'S' and (d.deptype = 'i' or not exists (select from pg_attrdef a where a.adrelid = d.refobjid and a.adnum = d.refobjsubid))
    union
    select s.oid, a.adrelid, a.adnum
    from rel s join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = s.oid
        join pg_attrdef a on a.oid = d.objid
    where s.relkind = 'S' and pg_get_expr(a.adbin, a.adrelid) = format('nextval(%L::regclass)', s.name)
),
ends as (
    select n.seq, c.oid, a.attname, q.seqincrement
    from counted n join pg_sequence q on q.seqrelid = n.seq join pg_class c on c.oid = n.relid and c.relkind in ('r', 'p')
        join pg_attribute a on a.attrelid = c.oid and a.attnum = n.attnum join pg_type t on t.oid = a.atttypid
    where case t.typtype when 'd' then t.typbasetype else t.oid end in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
        and (c.relpersistence = 'p' or c.relpersistence = 'u' and not pg_is_in_recovery())
        and not exists (select from pg_inherits i join pg_attribute b on b.attrelid = i.inhparent and b.attname = a.attname
            join counted m on m.seq = n.seq and m.relid = i.inhparent and m.attnum = b.attnum where i.inhrelid = c.oid)
),
fact(place, tab, aspect, name, definition) as (
    select 0, asked.number::text, 'absent', '', '' from asked where asked.oid not in (select oid from rel)
    union all
    select distinct 0, '', 'not compared', 'column option ' || split_part(o, '=', 1), ''
    from rel r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped cross join lateral unnest(a.attoptions) u(o)
    where not 'column.' || split_part(o, '=', 1) = any ((select list from settable)::text[])
    union all
    select distinct 0, '', 'not compared', case c.relkind when 'v' then 'view option ' else 'storage parameter ' end || unnest(o.odd), ''
    from opts o join pg_class c on c.oid = o.oid where o.oid in (select oid from rel) or o.oid in (select oid from idx)
        or o.oid in (select t.reltoastrelid from rel r join pg_class t on t.oid = r.oid)
    union all
    select 1, r.name, 'relation', case when r.relkind in ('S', 'v', 'm') then 'dependent' else '' end,
        case r.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view'
            when 'f' then 'foreign table' else 'table' end
    from rel r
    union all
    select 2, r.name, 'persistence', '', case c.relpersistence when 'p' then 'permanent' when 'u' then 'unlogged' else 'temporary' end
    from rel r join pg_class c on c.oid = r.oid
    union all
    select 3, r.name, 'owner', '', pg_get_userbyid(r.relowner)::text from rel r
    union all
    select 4, r.name, 'definition', '', pg_get_viewdef(r.oid) from rel r where r.relkind in ('v', 'm')
    union all
    select 4, r.name, 'populated', '', c.relispopulated::text from rel r join pg_class c on c.oid = r.oid where r.relkind = 'm'
    union all
    select 5, r.name, 'partition key', '', pg_get_partkeydef(r.oid) from rel r where r.relkind = 'p'
    union all
    select 6, r.name, case when c.relispartition then 'partition of' else 'inherits' end, i.inhparent::regclass::text,
        coalesce(pg_get_expr(c.relpartbound, c.oid), 'parent ' || i.inhseqno)
    from rel r join pg_class c on c.oid = r.oid join pg_inherits i on i.inhrelid = r.oid
    union all
    select 7, r.name, 'storage parameters', '', o.said from rel r join opts o on o.oid = r.oid where o.said is not null
    union all
    select 7, r.name, 'storage parameters', 'toast', o.said
    from rel r join pg_class c on c.oid = r.oid join opts o on o.oid = c.reltoastrelid where o.said is not null
    union all
    select 7, r.name, 'tablespace', '', s.spcname::text
    from rel r join pg_class c on c.oid = r.oid join pg_tablespace s on s.oid = c.reltablespace
    union all
    select 7, r.name, 'access method', '', m.amname::text
    from rel r join pg_class c on c.oid = r.oid join pg_am m on m.oid = c.relam where r.relkind in ('r', 'm') and m.amname <> 'heap'
    union all
    select 7, r.name, 'of type', '', c.reloftype::regtype::text from rel r join pg_class c on c.oid = r.oid where c.reloftype <> 0
    union all
    select 7, r.name, 'foreign server', s.srvname::text, coalesce(array_to_string(f.ftoptions, ', '), '')
    from rel r join pg_foreign_table f on f.ftrelid = r.oid join pg_foreign_server s on s.oid = f.ftserver
    union all
    select 8, r.name, 'replica identity', '', case c.relreplident when 'n' then 'nothing' else 'full' end
    from rel r join pg_class c on c.oid = r.oid where c.relreplident in ('n', 'f') and r.relkind in ('r', 'p', 'm')
    union all
    select 9, r.name, 'row security', '', concat_ws(', ', case when c.relrowsecurity then 'enabled' end, case when c.relforcerowsecurity then 'forced' end)
    from rel r join pg_class c on c.oid = r.oid where c.relrowsecurity or c.relforcerowsecurity
    union all
    select 10, r.name, 'column', a.attname::text, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
        case when a.attcollation not in (0, t.typcollation) then 'collate ' || a.attcollation::regcollation end,
        case when a.attnotnull then 'not null' end,
        case when n.convalidated is false then 'not valid' end, -- 18+
        case when n.connoinherit then 'no inherit' end, -- 18+
        case a.attidentity when 'a' then 'generated always as identity' when 'd' then 'generated by default as identity' end,
        case a.attgenerated when '' then 'default ' else 'generated always as ' end || pg_get_expr(d.adbin, d.adrelid),
        case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' end,
        case when a.attstorage <> t.typstorage and r.relkind <> 'v' then 'storage ' || case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'x' then 'extended' else 'main' end end,
        case a.attcompression when 'p' then 'compression pglz' when 'l' then 'compression lz4' end, -- 14+
        case when a.attstattarget >= 0 then 'statistics ' || a.attstattarget end,
        (select 'options ' || string_agg(o, ', ' order by n) from unnest(a.attoptions) with ordinality u(o, n)
            where 'column.' || split_part(o, '=', 1) = any ((select list from settable)::text[])),
        'options ' || array_to_string(a.attfdwoptions, ', '))
    from rel r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
        join pg_type t on t.oid = a.atttypid
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        left join pg_constraint n on n.conrelid = r.oid and n.contype = 'n' and n.conkey[1] = a.attnum -- 18+
    where r.relkind <> 'S'
    union all
    select 11, r.name, 'type', e.oid::regtype::text, case e.typtype
        when 'e' then 'enum (' || (select string_agg(quote_literal(l.enumlabel), ', ' order by l.enumsortorder) from pg_enum l where l.enumtypid = e.oid) || ')'
        when 'c' then 'composite (' || (select string_agg(concat_ws(' ', quote_ident(b.attname), format_type(b.atttypid, b.atttypmod),
                case when b.attcollation not in (0, y.typcollation) then 'collate ' || b.attcollation::regcollation end), ', ' order by b.attnum)
            from pg_attribute b join pg_type y on y.oid = b.atttypid where b.attrelid = e.typrelid and b.attnum > 0 and not b.attisdropped) || ')'
        when 'r' then (select concat('range (', concat_ws(', ', 'subtype ' || format_type(g.rngsubtype, null), 'operator class ' || o.opcname,
                case when g.rngcollation <> y.typcollation then 'collate ' || g.rngcollation::regcollation end,
                case when g.rngcanonical <> 0 then 'canonical ' || g.rngcanonical end, case when g.rngsubdiff <> 0 then 'subtype_diff ' || g.rngsubdiff end,
                'multirange ' || g.rngmultitypid::regtype, -- 14+
                null), ')') from pg_range g join pg_opclass o on o.oid = g.rngsubopc join pg_type y on y.oid = g.rngsubtype where g.rngtypid = e.oid)
        else concat_ws(' ', 'domain over', format_type(e.typbasetype, e.typtypmod),
            (select 'collate ' || e.typcollation::regcollation from pg_type y where y.oid = e.typbasetype and y.typcollation <> e.typcollation),
            case when e.typnotnull then 'not null' end, 'default ' || e.typdefault,
            (select string_agg(format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid)), ' ' order by k.conname) from pg_constraint k where k.contypid = e.oid and k.contype = 'c')) end
    from typ join rel r on r.oid = typ.relid join pg_type e on e.oid = typ.oid
    where (e.typtype in ('e', 'd', 'r') or e.typtype = 'c' and e.typrelid not in (select oid from rel)) and e.typnamespace <> 'pg_catalog'::regnamespace
    union all
    select 11, r.name, 'owner of type', e.oid::regtype::text, quote_ident(pg_get_userbyid(e.typowner)) || coalesce(', grants ' || (select string_agg(x::text, ' ' order by x::text) from unnest(e.typacl) x), '')
    from typ join rel r on r.oid = typ.relid join pg_type e on e.oid = typ.oid
    where (e.typtype in ('e', 'd', 'r') or e.typtype = 'c' and exists (select from pg_class c where c.oid = e.typrelid and c.relkind = 'c')) and e.typnamespace <> 'pg_catalog'::regnamespace
    union all
    select 11, r.name, 'column order', '', string_agg(quote_ident(a.attname), ', ' order by a.attnum)
    from rel r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped where r.relkind <> 'S' group by r.name
    union all
    -- From 18 on NOT NULL is a constraint too; it is told with the column, as before 18. What the partitions have of a
    -- partitioned table's foreign key is a part of it.
    select 12, k.conrelid::regclass::text, 'constraint', k.conname::text, pg_get_constraintdef(k.oid)
        || case when k.contype in ('p', 'u', 'x') then coalesce(' WITH (' || o.said || ')', '') else '' end || coalesce(x.said, '')
        || coalesce((select w.said from switched w where w.root = k.oid), '')
    from pg_constraint k left join idx x on x.oid = k.conindid and k.contype in ('p', 'u', 'x') left join opts o on o.oid = k.conindid
    where k.contype not in ('n', 't') and (k.conrelid in (select oid from rel)
            and not (k.contype = 'f' and k.conparentid <> 0 and exists (select from pg_constraint p where p.oid = k.conparentid and p.conrelid in (select oid from rel)))
        -- A partition takes the foreign keys that refer to its parent with it.
        or k.conrelid <> 0 and not (k.contype = 'f' and k.conparentid <> 0) and k.confrelid not in (select oid from rel) and k.oid in (select objid from gone where classid = 'pg_constraint'::regclass))
    union all
    select 13, r.name, 'inbound foreign key', format('%I on %s', k.conname, k.conrelid::regclass), pg_get_constraintdef(k.oid)
        || coalesce((select w.said from switched w where w.root = k.oid), '')
    from (select * from pg_constraint where contype = 'f' and conparentid = 0 offset 0) k join rel r on r.oid = k.confrelid where k.conrelid not in (select oid from rel)
    union all
    select 14, i.indrelid::regclass::text, 'index', i.indexrelid::regclass::text, case when o.odd is null then pg_get_indexdef(i.indexrelid)
        else replace(pg_get_indexdef(i.indexrelid), ' WITH (' || o.shown || ')', coalesce(' WITH (' || o.kept || ')', '')) end || x.said
    from pg_index i join idx x on x.oid = i.indexrelid left join opts o on o.oid = i.indexrelid join pg_class c on c.oid = i.indrelid and c.relkind <> 't'
    where (i.indrelid in (select oid from rel) or i.indexrelid in (select objid from gone where classid = 'pg_class'::regclass))
        and not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x'))
    union all
    select 15, g.tgrelid::regclass::text, 'trigger', g.tgname::text, pg_get_triggerdef(g.oid)
        || case g.tgenabled when 'D' then ', disabled' when 'R' then ', enabled replica' when 'A' then ', enabled always' else '' end
        || coalesce((select x.said from ext x where x.classid = 'pg_trigger'::regclass and x.objid = g.oid), '')
    -- Before 15 what a partition has of its parent's trigger was internal.
    from pg_trigger g where (not g.tgisinternal or g.tgparentid <> 0 and not exists (select from pg_constraint k where k.oid = g.tgconstraint and k.contype = 'f'))
        and (g.tgrelid in (select oid from rel) or g.oid in (select objid from gone where classid = 'pg_trigger'::regclass))
    union all
    select 15, r.name, 'depends on extension', '', ltrim(x.said, ', ') from rel r join ext x on x.classid = 'pg_class'::regclass and x.objid = r.oid
    union all
    select 15, r.name, 'body of ' || c.what, c.oid::regprocedure::text, coalesce(nullif(concat(f.prosrc,
        pg_get_function_sqlbody(f.oid), -- 14+
        ''), ''), '')
    from called c join rel r on r.oid = c.relid join pg_proc f on f.oid = c.oid
    union all
    select 15, r.name, c.what, c.oid::regprocedure::text, concat_ws(', ', 'language ' || l.lanname, 'owner ' || quote_ident(pg_get_userbyid(f.proowner)), case when f.prosecdef then 'security definer' end,
        case f.provolatile when 'i' then 'immutable' when 's' then 'stable' end, case when f.proisstrict then 'strict' end, case when f.proleakproof then 'leakproof' end,
        'set ' || array_to_string(f.proconfig, ', set '), 'grants ' || (select string_agg(x::text, ' ' order by x::text) from unnest(f.proacl) x))
    from called c join rel r on r.oid = c.relid join pg_proc f on f.oid = c.oid join pg_language l on l.oid = f.prolang
    union all
    select 16, w.ev_class::regclass::text, 'rule', w.rulename::text, rtrim(pg_get_ruledef(w.oid), ';')
        || case w.ev_enabled when 'D' then ', disabled' when 'R' then ', enabled replica' when 'A' then ', enabled always' else '' end
    from pg_rewrite w
    where w.rulename <> '_RETURN' and (w.ev_class in (select oid from rel)
        or w.oid in (select objid from gone where classid = 'pg_rewrite'::regclass))
    union all
    select 17, p.polrelid::regclass::text, 'policy', p.polname::text, concat_ws(' ', case when p.polpermissive then 'permissive' else 'restrictive' end,
        'for', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
        'to', (select string_agg(case u when 0 then 'public' else quote_ident(pg_get_userbyid(u)) end, ', ' order by pg_get_userbyid(u)) from unnest(p.polroles) u),
        'using ' || pg_get_expr(p.polqual, p.polrelid), 'with check ' || pg_get_expr(p.polwithcheck, p.polrelid))
    from pg_policy p
    where p.polrelid in (select oid from rel) or p.oid in (select objid from gone where classid = 'pg_policy'::regclass)
    union all
    select 18, a.name, 'grant', g.grantee || case a.col when '' then '' else ' ' || a.col end, g.privileges
    from acl a cross join lateral (
        select 'to ' || case x.grantee when 0 then 'public' when a.relowner then 'the owner' else quote_ident(pg_get_userbyid(x.grantee)) end as grantee,
            string_agg(lower(x.privilege_type) || case when x.is_grantable then ' with grant option' else '' end
                || case when x.grantor <> a.relowner then ' by ' || quote_ident(pg_get_userbyid(x.grantor)) else '' end, ', ' order by x.privilege_type, x.grantor) as privileges
        from aclexplode(a.acl) x group by x.grantee) g
    union all
    select 18, r.name, 'owner of schema', quote_ident(n.nspname), quote_ident(pg_get_userbyid(n.nspowner))
    from rel r join pg_class c on c.oid = r.oid join pg_namespace n on n.oid = c.relnamespace
    union all
    select 18, r.name, 'grant on schema', n.name || ' ' || g.grantee, g.privileges
    from rel r join pg_class c on c.oid = r.oid
        join (select oid, quote_ident(nspname) as name, nspowner as relowner, coalesce(nspacl, acldefault('n', nspowner)) as acl from pg_namespace) n on n.oid = c.relnamespace
        cross join lateral (
        select 'to ' || case x.grantee when 0 then 'public' when n.relowner then 'the owner' else quote_ident(pg_get_userbyid(x.grantee)) end as grantee,
            string_agg(lower(x.privilege_type) || case when x.is_grantable then ' with grant option' else '' end, ', ' order by x.privilege_type, x.grantor) as privileges
        from aclexplode(n.acl) x group by x.grantee) g
    union all
    select 19, s.stxrelid::regclass::text, 'statistics object', format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid)
        || ', owner ' || quote_ident(pg_get_userbyid(s.stxowner)) || case when s.stxstattarget >= 0 then ', statistics ' || s.stxstattarget else '' end
    from rel r join pg_statistic_ext s on s.stxrelid = r.oid join pg_namespace n on n.oid = s.stxnamespace
    union all
    select 20, r.name, 'publication', p.pubname::text, concat_ws(' ', 'table',
        (select '(' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || ')' from pg_attribute a where a.attrelid = r.oid and a.attnum = any (m.prattrs::int2[])), -- 15+
        'where ' || pg_get_expr(m.prqual, m.prrelid), -- 15+
        null)
    from rel r join pg_publication_rel m on m.prrelid = r.oid join pg_publication p on p.oid = m.prpubid
    union all
    select 20, r.name, 'publication', p.pubname::text, 'for all tables' from rel r cross join pg_publication p where p.puballtables and r.relkind in ('r', 'p')
    union all -- 15+
    select 20, r.name, 'publication', p.pubname::text || ' by schema', 'for tables in schema ' || m.pnnspid::regnamespace -- 15+
    from rel r join pg_class c on c.oid = r.oid join pg_publication_namespace m on m.pnnspid = c.relnamespace join pg_publication p on p.oid = m.pnpubid where r.relkind in ('r', 'p') -- 15+
    union all
    select distinct 20, '', 'options of publication', p.pubname::text, concat_ws(', ', 'publish ' || concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
            case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end),
        case when p.pubviaroot then 'publish_via_partition_root' end,
        case p.pubgencols when 's' then 'publish_generated_columns' end, -- 18+
        'owner ' || quote_ident(pg_get_userbyid(p.pubowner)))
    from pg_publication p
    where p.puballtables or exists (select from pg_publication_rel m where m.prpubid = p.oid and m.prrelid in (select oid from rel))
        or exists (select from pg_publication_namespace m where m.pnpubid = p.oid and m.pnnspid in (select c.relnamespace from rel r join pg_class c on c.oid = r.oid)) -- 15+
    union all
    select 20, r.name, 'subscription', u.subname::text, '' from rel r join pg_subscription_rel m on m.srrelid = r.oid join pg_subscription u on u.oid = m.srsubid
    union all
    select 21, r.name, 'sequence', '', format('as %s start %s increment %s minvalue %s maxvalue %s cache %s', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache)
        || case when s.seqcycle then ' cycle' else '' end
        || coalesce((select ' owned by ' || d.refobjid::regclass || '.' || quote_ident(a.attname)
            from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
            where d.classid = 'pg_class'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')), '')
    from rel r join pg_sequence s on s.seqrelid = r.oid
    union all
    select 22, r.name, 'position', '', s.seqincrement::text
    from rel r join pg_sequence s on s.seqrelid = r.oid join pg_class c on c.oid = r.oid
    where not s.seqcycle and (c.relpersistence = 'p' or not pg_is_in_recovery())
    union all
    -- What may refer to large objects: oid, domains over it, and arrays of these; and what holds other numbers, by its values.
    select 22, r.name, case when 'oid'::regtype in (t.oid, t.typbasetype, b.typbasetype) then 'oid column'
            when i.oid is not null then 'array of oids' else 'column of numbers' end, a.attname::text, ''
    from rel r join pg_class c on c.oid = r.oid join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
        join pg_type t on t.oid = a.atttypid left join pg_type b on b.oid = t.typbasetype
        left join pg_type i on i.oid = coalesce(nullif(b.typelem, 0), t.typelem) and 'A' in (t.typcategory, b.typcategory)
            and 'oid'::regtype in (i.oid, i.typbasetype)
    where r.relkind = 'r' and (c.relpersistence = 'p' or c.relpersistence = 'u' and not pg_is_in_recovery())
        and ('oid'::regtype in (t.oid, t.typbasetype, b.typbasetype) or i.oid is not null
            or coalesce(nullif(t.typbasetype, 0), t.oid) in ('int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'text'::regtype, 'varchar'::regtype))
    union all
    -- Of a step that is not 1, the numbers between belong to others: the other half of a pair of servers, for instance.
    select 22, e.seq::regclass::text, 'position of column', format('%s.%I', e.oid::regclass, e.attname),
        format('select trunc(%s(%I)::numeric) from %s', case when e.seqincrement > 0 then 'max' else 'min' end, e.attname, e.oid::regclass)
            || case when abs(e.seqincrement) > 1 then format(' where (%I::numeric - (select last_value from %s)) %% %s = 0', e.attname, e.seq::regclass, e.seqincrement) else '' end
    from ends e
    union all
    select 23, coalesce(r.name, ''), 'comment', 'on ' || regexp_replace(i.type, '^table (column|constraint)$', '\1') || ' ' || i.identity, c.description
    from (select distinct classid, objid from gone union select 'pg_class'::regclass::oid, oid from rel) g
        join pg_description c on c.classoid = g.classid and c.objoid = g.objid
        left join rel r on c.classoid = 'pg_class'::regclass and r.oid = c.objoid
        cross join lateral pg_identify_object(c.classoid, c.objoid, c.objsubid) i
    union all
    select 23, coalesce(r.name, ''), 'security label', l.provider || ' on ' || regexp_replace(i.type, '^table (column|constraint)$', '\1') || ' ' || i.identity, l.label
    from (select distinct classid, objid from gone union select 'pg_class'::regclass::oid, oid from rel) g
        join pg_seclabel l on l.classoid = g.classid and l.objoid = g.objid
        left join rel r on l.classoid = 'pg_class'::regclass and r.oid = l.objoid
        cross join lateral pg_identify_object(l.classoid, l.objoid, l.objsubid) i
    union all
    -- Everything else that a CASCADE would take: functions on the row type, defaults and columns of other tables.
    select 24, '', 'dependent', i.type || ' ' || i.identity,
        coalesce(pg_get_functiondef(f.oid) || ', owner ' || quote_ident(pg_get_userbyid(f.proowner)) || coalesce(', grants ' || (select string_agg(x::text, ' ' order by x::text) from unnest(f.proacl) x), ''),
            (select pg_get_expr(a.adbin, a.adrelid) from pg_attrdef a where g.classid = 'pg_attrdef'::regclass and a.oid = g.objid), '')
    from gone g cross join lateral pg_identify_object(g.classid, g.objid, g.objsubid) i
        left join pg_proc f on g.classid = 'pg_proc'::regclass and f.oid = g.objid and f.prokind in ('f', 'p')
    where g.classid not in ('pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass, 'pg_policy'::regclass,
            'pg_statistic_ext'::regclass, 'pg_publication_rel'::regclass)
        and not (g.classid = 'pg_attrdef'::regclass and exists (select from pg_attrdef a join rel r on r.oid = a.adrelid where a.oid = g.objid))
        and not (g.classid = 'pg_class'::regclass and (g.objid in (select oid from rel) or g.objsubid = 0))
        -- Before 14 a TOAST table has a row type, with an OID in its name.
        and not (g.classid = 'pg_type'::regclass and exists (select from pg_type t where t.oid = g.objid and t.typnamespace = 'pg_toast'::regnamespace))
        and not (g.classid = 'pg_type'::regclass and exists (select from pg_type t left join pg_type e on e.oid = t.typelem
            where t.oid = g.objid and (t.typrelid in (select oid from rel) or (t.typcategory = 'A' and e.typrelid in (select oid from rel)))))
)
select tab, aspect, name, definition from fact order by place, tab collate "C", aspect collate "C", name collate "C"
