//! Whom a server's certificate is for.

use std::net::IpAddr;

use openssl::nid::Nid;
use openssl::x509::X509Ref;

/// Whether a certificate is for a host, by libpq's rules (manual, 34.19.1): alternative names
/// first, and the common name only if there are none; `*` stands for one whole first label.
pub(super) fn vouches_for(certificate: &X509Ref, host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    let mut has_alternatives = false;
    for name in certificate.subject_alt_names().iter().flatten() {
        if let Some(name) = name.dnsname() {
            has_alternatives = true;
            if matches(name, host) {
                return true;
            }
        } else if let Some(bytes) = name.ipaddress() {
            has_alternatives = true;
            let same = match address {
                Some(IpAddr::V4(address)) => address.octets() == bytes,
                Some(IpAddr::V6(address)) => address.octets() == bytes,
                None => false,
            };
            if same {
                return true;
            }
        }
    }
    !has_alternatives && common_name(certificate).is_some_and(|name| matches(&name, host))
}

/// Whom it is for, in words.
pub(super) fn names_of(certificate: &X509Ref) -> Vec<String> {
    let shown = |bytes: &[u8]| -> Option<IpAddr> {
        let four: Option<[u8; 4]> = bytes.try_into().ok();
        let sixteen: Option<[u8; 16]> = bytes.try_into().ok();
        four.map(IpAddr::from).or_else(|| sixteen.map(IpAddr::from))
    };
    let alternatives = certificate.subject_alt_names();
    let alternatives = alternatives.iter().flatten().filter_map(|name| {
        let address = || Some(shown(name.ipaddress()?)?.to_string());
        name.dnsname().map(str::to_owned).or_else(address)
    });
    let names: Vec<String> = alternatives.collect();
    if names.is_empty() { common_name(certificate).into_iter().collect() } else { names }
}

fn common_name(certificate: &X509Ref) -> Option<String> {
    let entry = certificate.subject_name().entries_by_nid(Nid::COMMONNAME).next()?;
    entry.data().to_string().ok()
}

fn matches(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(rest), Some((_, parent))) = (name.strip_prefix("*."), host.split_once('.')) else { return false };
    // `*.com` would be for half the world.
    rest.contains('.') && rest.eq_ignore_ascii_case(parent) && host.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_one_whole_label() {
        assert!(matches("DB.example.com", "db.example.com") && matches("*.example.com", "db.example.com"));
        assert!(!matches("*.example.com", "a.b.example.com") && !matches("*.example.com", "example.com"));
        assert!(!matches("d*.example.com", "db.example.com") && !matches("*.0.0.1", "127.0.0.1"));
    }
}
