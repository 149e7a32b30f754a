//! Who may look at the board: everybody who has the link of a role.

use std::fmt;

use openssl::error::ErrorStack;

/// What a browser is let in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The people who recover.
    Team,
    /// Whoever holds the firedrill.
    Facilitator,
}

impl Role {
    /// The folder of its page.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Role::Team => "team",
            Role::Facilitator => "facilitator",
        }
    }

    /// The role that a path belongs to. None for what belongs to no role.
    pub(super) fn of_path(path: &str) -> Option<Role> {
        let folder = path.strip_prefix('/')?.split('/').next()?;
        [Role::Team, Role::Facilitator].into_iter().find(|role| role.folder() == folder)
    }
}

/// The secrets of a board's two links, and nothing else that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    team: String,
    facilitator: String,
}

impl Tokens {
    /// Two that nobody can guess: 128 random bits each.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
    pub fn random() -> Result<Self, ErrorStack> {
        Ok(Tokens { team: token()?, facilitator: token()? })
    }

    /// A role's.
    pub(super) fn of(&self, role: Role) -> &str {
        match role {
            Role::Team => &self.team,
            Role::Facilitator => &self.facilitator,
        }
    }

    /// Whether `given` opens a role's page. How long it takes says nothing of the token.
    pub(super) fn open(&self, role: Role, given: &str) -> bool {
        let token = self.of(role);
        token.len() == given.len() && openssl::memcmp::eq(token.as_bytes(), given.as_bytes())
    }

    /// The name of the cookie in which a browser keeps a role's token. Cookies are shared by all
    /// the ports of a host: each board has names of its own, which give nothing away.
    pub(super) fn cookie(&self, role: Role) -> String {
        let digest = openssl::sha::sha256(self.of(role).as_bytes());
        format!("drillyard-{}-{}", role.folder(), hex(&digest[..4]))
    }
}

/// Not the tokens: they would be in a log.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(***)")
    }
}

fn token() -> Result<String, ErrorStack> {
    let mut bytes = [0; 16];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_own_page_only() {
        let tokens = Tokens::random().expect("random numbers");
        let (team, facilitator) = (tokens.of(Role::Team).to_owned(), tokens.of(Role::Facilitator).to_owned());
        assert!(tokens.open(Role::Team, &team) && tokens.open(Role::Facilitator, &facilitator));
        assert!(!tokens.open(Role::Facilitator, &team) && !tokens.open(Role::Team, &facilitator));
        for given in ["", &team[1..], &format!("{team}0")] {
            assert!(!tokens.open(Role::Team, given), "{given}");
        }
        let others = Tokens::random().expect("random numbers");
        assert!(tokens != others && tokens.cookie(Role::Team) != others.cookie(Role::Team));
        assert!(!format!("{tokens:?}{}", tokens.cookie(Role::Team)).contains(&team[..8]));
    }

    #[test]
    fn a_path_belongs_to_the_role_whose_folder_it_is_in() {
        assert_eq!(Role::of_path("/team/events"), Some(Role::Team));
        assert_eq!(Role::of_path("/facilitator/"), Some(Role::Facilitator));
        for path in ["/", "/assets/team", "/teams/", "/Team/", "team/"] {
            assert_eq!(Role::of_path(path), None, "{path}");
        }
    }
}
