//! What the catalog knows of tables, and loses.

use super::session::{Done, Result, Session, Undo};

/// Pairs of statements, to lose something and to bring it back: foreign keys, those that refer to
/// the tables first, since an import forgets them most easily.
pub const FOREIGN_KEYS: &str = "
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname),
        format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
        || coalesce(format('; COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, k.conrelid::regclass, obj_description(k.oid, 'pg_constraint')), '')
    FROM pg_constraint k
    WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = ANY ($1) OR k.confrelid = ANY ($1))
        AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled <> 'O')
    ORDER BY k.confrelid = ANY ($1) DESC, k.conname";

/// Indexes: those that are no constraint first. One that something else depends on, such as a
/// foreign key that refers to it, cannot be lost alone.
pub const INDEXES: &str = "
    SELECT CASE WHEN k.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, k.conname) END,
        CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
            || coalesce(format('; COMMENT ON INDEX %s IS %L', i.indexrelid::regclass, obj_description(i.indexrelid, 'pg_class')), '')
            ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
            || coalesce(format('; COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, i.indrelid::regclass, obj_description(k.oid, 'pg_constraint')), '') END
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
    WHERE i.indrelid = ANY ($1) AND i.indisvalid AND NOT i.indisclustered AND NOT i.indisreplident AND c.reltablespace = 0
        AND NOT c.relispartition
        AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0)
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'n'
            AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indexrelid)
                OR (d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid)))
    ORDER BY k.oid IS NOT NULL, k.contype = 'p', c.relname";

/// What somebody other than the owner was granted by the owner; not where columns were granted to
/// the same, which a REVOKE on the table would take, too.
pub const GRANTS: &str = "
    SELECT format('REVOKE %s ON %s FROM %s', string_agg(x.privilege_type, ', '), c.oid::regclass, who.name),
        string_agg(format('GRANT %s ON %s TO %s%s', x.privilege_type, c.oid::regclass, who.name,
            CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '; ' ORDER BY x.privilege_type)
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x
        CROSS JOIN LATERAL (SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS name) who
    WHERE c.oid = ANY ($1) AND x.grantee <> c.relowner AND x.grantor = c.relowner
        AND NOT EXISTS (SELECT FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) y WHERE a.attrelid = c.oid AND y.grantee = x.grantee)
    GROUP BY c.oid, who.name ORDER BY who.name";

/// The sequences of the tables' columns that somebody has taken numbers from.
const SEQUENCES: &str = "
    SELECT DISTINCT format('%I.%I', n.nspname, c.relname), s.seqstart
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
    WHERE pg_sequence_last_value(c.oid) IS NOT NULL AND c.oid IN (
        SELECT d.objid FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1) AND d.deptype IN ('a', 'i')
        UNION
        SELECT d.refobjid FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
        WHERE f.adrelid = ANY ($1) AND d.refclassid = 'pg_class'::regclass)
    ORDER BY 1";

/// Loses the first of what `query` finds that nothing else depends on.
pub async fn lose(session: Session, query: &str, tables: &[u32]) -> Result<Done> {
    let mut last = None;
    for row in session.of_tables(query, tables).await? {
        match session.execute(row.get(0)).await {
            Ok(()) => return Ok(Done::Damaged(Undo::Sql(session, row.get(1)))),
            Err(why) => last = Some(why),
        }
    }
    last.map_or(Ok(Done::Nothing), Err)
}

/// Lets a sequence begin again, as one does that was made anew and whose position nobody has set.
pub async fn restart(session: Session, tables: &[u32]) -> Result<Done> {
    for row in session.of_tables(SEQUENCES, tables).await? {
        let (name, start): (String, i64) = (row.get(0), row.get(1));
        let now = session.one(&format!("SELECT last_value, is_called FROM {name}")).await?;
        let (last, called): (i64, bool) = (now.get(0), now.get(1));
        if last == start {
            continue;
        }
        let quoted = crate::pg::quote_literal(&name);
        session.execute(&format!("SELECT setval({quoted}, {start}, false)")).await?;
        return Ok(Done::Damaged(Undo::Sql(session, format!("SELECT setval({quoted}, {last}, {called})"))));
    }
    Ok(Done::Nothing)
}
