-- Every lock that was waited for longer than $1 seconds, with each who is in the way. A prepared transaction has no process:
-- pg_blocking_pids says 0, and it is known by the lock on its own transaction id, which has the same virtual transaction as its others.
SELECT b.pid, h.application_name, h.usename::text, h.state, h.query,
       extract(epoch FROM clock_timestamp() - h.xact_start)::float8, h.xact_start::text, h.backend_type,
       coalesce(w.application_name, ''), coalesce(w.backend_type, ''), l.pid, l.mode,
       CASE l.locktype
         WHEN 'transactionid' THEN 'a row that transaction ' || l.transactionid || ' has changed'
         WHEN 'virtualxid' THEN 'the end of transaction ' || l.virtualxid
         WHEN 'advisory' THEN format('the advisory lock (%s, %s)', l.classid, l.objid)
         WHEN 'object' THEN format('object %s of %s', l.objid, l.classid::regclass)
         ELSE CASE WHEN l.relation IS NULL THEN 'a lock of the kind ' || l.locktype
                   WHEN l.database IN (0, d.oid) THEN l.relation::regclass::text
                   ELSE format('relation %s of the database %s', l.relation, (SELECT datname FROM pg_database WHERE oid = l.database)) END
              || CASE WHEN l.locktype IN ('relation') THEN '' ELSE ' (' || l.locktype || ')' END
       END,
       p.gid, p.owner::text, p.database::text, p.prepared::text, extract(epoch FROM clock_timestamp() - p.prepared)::float8,
       p.mode
FROM pg_locks l
JOIN pg_stat_activity w ON w.pid = l.pid
JOIN pg_database d ON d.datname = current_database()
LEFT JOIN LATERAL unnest(pg_blocking_pids(l.pid)) AS b(pid) ON true
LEFT JOIN pg_stat_activity h ON h.pid = b.pid
LEFT JOIN LATERAL (
  SELECT x.*, g.mode FROM pg_locks g
  LEFT JOIN pg_locks t ON g.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'
    AND t.virtualtransaction = g.virtualtransaction
  LEFT JOIN pg_prepared_xacts x ON x.transaction = t.transactionid
  WHERE g.granted AND coalesce(g.pid, 0) = b.pid
    AND (g.locktype, g.database, g.relation, g.page, g.tuple, g.virtualxid, g.transactionid, g.classid, g.objid, g.objsubid)
        IS NOT DISTINCT FROM
        (l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid)
  ORDER BY x.gid IS NULL, g.mode <> 'AccessExclusiveLock' LIMIT 1) p ON true
WHERE NOT l.granted AND (w.query_start IS NULL OR clock_timestamp() - w.query_start > make_interval(secs => $1))
