//! What a server says of its roles.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use crate::data::error::{DataError, Result};

/// What one server says of its roles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles {
    /// The server's major version.
    pub(super) major: u32,
    /// What is said, by what it is about.
    pub(super) facts: BTreeMap<Subject, Said>,
    /// The databases that there are.
    pub(super) databases: BTreeSet<String>,
    /// Those whose default privileges were read.
    pub(super) entered: BTreeSet<String>,
    /// Whether it could be seen who has a password.
    pub(super) sees_passwords: bool,
    /// The role whose password drillyard has made up, so that it can log in.
    pub(super) made_up: Option<String>,
}

/// What a fact is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    /// `role`, `SUPERUSER`, `membership`.
    pub aspect: String,
    /// `clerk`, `role clerk`, `clerk in staff`.
    pub name: String,
}

/// What is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// In words.
    pub value: String,
    /// The roles that it takes.
    pub roles: Vec<String>,
    /// The database whose default privileges these are.
    pub database: Option<String>,
}

/// Roles, their attributes, memberships, settings and comments, and databases and tablespaces with
/// the grants on them. What begins with `pg_` is the server's own. What the owner of a tablespace
/// may there goes without saying.
const READ: &str = "
    select 'role' as aspect, quote_ident(rolname) as name, '' as value, array[rolname::text] as roles
    from pg_catalog.pg_roles where rolname !~ '^pg_'
    union all
    select a.aspect, 'role ' || quote_ident(r.rolname), a.value, array[r.rolname::text]
    from pg_catalog.pg_roles r cross join lateral (values
        ('LOGIN', r.rolcanlogin::text), ('SUPERUSER', r.rolsuper::text), ('INHERIT', r.rolinherit::text),
        ('CREATEROLE', r.rolcreaterole::text), ('CREATEDB', r.rolcreatedb::text), ('REPLICATION', r.rolreplication::text),
        ('BYPASSRLS', r.rolbypassrls::text), ('CONNECTION LIMIT', r.rolconnlimit::text),
        ('VALID UNTIL', coalesce(r.rolvaliduntil::text, 'nothing')),
        ('COMMENT', coalesce(quote_literal(shobj_description(r.oid, 'pg_authid')), 'none'))
    ) a (aspect, value) where r.rolname !~ '^pg_'
    union all
    select 'membership', quote_ident(m.rolname) || ' in ' || quote_ident(g.rolname),
        case when bool_or(a.admin_option) then 'with admin option' else 'without admin option' end,
        array[m.rolname::text, g.rolname::text]
    from pg_catalog.pg_auth_members a
        join pg_catalog.pg_roles m on m.oid = a.member join pg_catalog.pg_roles g on g.oid = a.roleid
    where not (m.rolname ~ '^pg_' and g.rolname ~ '^pg_') group by m.rolname, g.rolname
    union all
    select 'setting', split_part(s.setting, '=', 1)
            || case when r.oid is null then ' of all roles' else ' of role ' || quote_ident(r.rolname) end
            || case when d.oid is null then '' else ' in database ' || quote_ident(d.datname) end,
        substr(s.setting, strpos(s.setting, '=') + 1),
        case when r.oid is null then '{}' else array[r.rolname::text] end
    from pg_catalog.pg_db_role_setting x cross join lateral unnest(x.setconfig) s (setting)
        left join pg_catalog.pg_roles r on r.oid = x.setrole left join pg_catalog.pg_database d on d.oid = x.setdatabase
    union all
    select 'database', datname::text, '', '{}' from pg_catalog.pg_database
    union all
    select a.aspect, 'database ' || quote_ident(d.datname), a.value, '{}'
    from pg_catalog.pg_database d cross join lateral (values
        ('CONNECTION LIMIT', d.datconnlimit::text), ('ALLOW_CONNECTIONS', d.datallowconn::text), ('IS_TEMPLATE', d.datistemplate::text)
    ) a (aspect, value)
    union all
    select 'OWNER', 'tablespace ' || quote_ident(t.spcname), quote_ident(pg_get_userbyid(t.spcowner)),
        array[pg_get_userbyid(t.spcowner)::text] from pg_catalog.pg_tablespace t
    union all
    select 'grant on tablespace', quote_ident(t.spcname) || ' to ' || coalesce(quote_ident(r.rolname), 'PUBLIC'),
        string_agg(distinct e.privilege_type || case when e.is_grantable then ' with grant option' else '' end, ', '),
        case when r.oid is null then '{}' else array[r.rolname::text] end
    from pg_catalog.pg_tablespace t cross join lateral aclexplode(t.spcacl) e left join pg_catalog.pg_roles r on r.oid = e.grantee
    where e.grantee <> t.spcowner group by t.spcname, r.oid, r.rolname
    union all
    select 'OWNER', 'database ' || quote_ident(d.datname), quote_ident(pg_get_userbyid(d.datdba)),
        array[pg_get_userbyid(d.datdba)::text] from pg_catalog.pg_database d
    union all
    select 'grant', coalesce('to ' || quote_ident(r.rolname), 'to PUBLIC') || ' on database ' || quote_ident(d.datname),
        string_agg(distinct e.privilege_type || case when e.is_grantable then ' with grant option' else '' end, ', '),
        case when r.oid is null then '{}' else array[r.rolname::text] end
    from pg_catalog.pg_database d
        cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) e
        left join pg_catalog.pg_roles r on r.oid = e.grantee
    group by d.datname, r.oid, r.rolname";

/// What members of a role may, since PostgreSQL 16.
const OPTIONS: &str = "
    select o.aspect, quote_ident(m.rolname) || ' in ' || quote_ident(g.rolname), bool_or(o.value)::text,
        array[m.rolname::text, g.rolname::text]
    from pg_catalog.pg_auth_members a
        join pg_catalog.pg_roles m on m.oid = a.member join pg_catalog.pg_roles g on g.oid = a.roleid
        cross join lateral (values ('INHERIT OPTION', a.inherit_option), ('SET OPTION', a.set_option)) o (aspect, value)
    where not (m.rolname ~ '^pg_' and g.rolname ~ '^pg_') group by o.aspect, m.rolname, g.rolname";

/// Who may set which parameters, since PostgreSQL 15; the superuser that initdb made may all.
const PARAMETERS: &str = "
    select 'grant on parameter', quote_ident(p.parname) || ' to ' || coalesce(quote_ident(r.rolname), 'PUBLIC'),
        string_agg(distinct e.privilege_type || case when e.is_grantable then ' with grant option' else '' end, ', '),
        case when r.oid is null then '{}' else array[r.rolname::text] end
    from pg_catalog.pg_parameter_acl p cross join lateral aclexplode(p.paracl) e left join pg_catalog.pg_roles r on r.oid = e.grantee
    where e.grantee <> 10 group by p.parname, r.oid, r.rolname";

/// Who has a password; not which.
const PASSWORDS: &str = "
    select 'PASSWORD', 'role ' || quote_ident(rolname), case when rolpassword is null then 'none' else 'set' end,
        array[rolname::text]
    from pg_catalog.pg_authid where rolname !~ '^pg_'";

/// What is granted on what will be made, in the session's database.
const DEFAULTS: &str = "
    select 'default privileges', 'of ' || quote_ident(pg_get_userbyid(a.defaclrole)) || ' for '
            || case a.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end
            || coalesce(' in schema ' || quote_ident(n.nspname), '') || ' in database ' || quote_ident(current_database()),
        coalesce((select string_agg(g.who || ': ' || g.what, '; ' order by g.who) from (
            select coalesce(quote_ident(r.rolname), 'PUBLIC') as who,
                string_agg(e.privilege_type || case when e.is_grantable then ' with grant option' else '' end, ', '
                    order by e.privilege_type) as what
            from aclexplode(a.defaclacl) e left join pg_catalog.pg_roles r on r.oid = e.grantee group by 1
        ) g), 'nothing'),
        array[pg_get_userbyid(a.defaclrole)::text]
    from pg_catalog.pg_default_acl a left join pg_catalog.pg_namespace n on n.oid = a.defaclnamespace";

/// Whether the session's role may see who has a password.
const MAY_SEE: &str = "select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')";

impl Roles {
    /// Reads what all databases of a cluster have in common; `major` is the server's version.
    pub async fn read(client: &Client, major: u32) -> Result<Roles> {
        let mut roles = Roles { major, ..Roles::default() };
        roles.add(client, READ, None).await?;
        if major >= 15 {
            roles.add(client, PARAMETERS, None).await?;
        }
        if major >= 16 {
            roles.add(client, OPTIONS, None).await?;
        }
        let row = client.query_one(MAY_SEE, &[]).await.map_err(DataError::while_doing(DOING))?;
        roles.sees_passwords = row.try_get(0).map_err(DataError::while_doing(DOING))?;
        if roles.sees_passwords {
            roles.add(client, PASSWORDS, None).await?;
        }
        let databases = roles.facts.keys().filter(|subject| subject.aspect == "database");
        roles.databases = databases.map(|subject| subject.name.clone()).collect();
        Ok(roles)
    }

    /// Reads the default privileges in a database, which the session is in.
    pub async fn read_defaults(&mut self, client: &Client, database: &str) -> Result<()> {
        self.add(client, DEFAULTS, Some(database)).await?;
        self.entered.insert(database.to_owned());
        Ok(())
    }

    /// Notes that drillyard has made up the password of a role.
    #[must_use]
    pub fn with_password_made_up(self, role: &str) -> Roles {
        Roles { made_up: Some(role.to_owned()), ..self }
    }

    async fn add(&mut self, client: &Client, query: &str, database: Option<&str>) -> Result<()> {
        for row in client.query(query, &[]).await.map_err(DataError::while_doing(DOING))? {
            let text = |at: usize| row.try_get::<_, String>(at).map_err(DataError::while_doing(DOING));
            let subject = Subject { aspect: text(0)?, name: text(1)? };
            let roles = row.try_get(3).map_err(DataError::while_doing(DOING))?;
            let database = database.map(str::to_owned);
            self.facts.insert(subject, Said { value: text(2)?, roles, database });
        }
        Ok(())
    }

    /// The names of the roles, without the server's own.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let roles = self.facts.iter().filter(|(subject, _)| subject.aspect == "role");
        roles.flat_map(|(_, said)| said.roles.iter().map(String::as_str)).collect()
    }
}

/// What is being done when something goes wrong.
const DOING: &str = "reading the roles";
