//! Scenario text and places in it, and the scalars of the language: what lets every message point
//! at the exact token.

mod late;
mod number;
mod ordered;
mod place;
mod plain;
mod quantities;
mod ratio;
mod reference;
mod release;
mod role_name;
mod scalars;
mod several;
mod spanned;
mod suggest;
mod timeline;
mod version_req;
mod which_wal;

pub use late::{LATE, LATE_SHELL, Late, Piece, Pieces, Word};
pub use number::{Number, Tolerance};
pub use ordered::Ordered;
pub use place::{Source, Span};
pub use plain::Kind as ScalarKind;
pub use quantities::{Duration, Size, Time};
pub use ratio::Ratio;
pub use reference::{BackupName, NodeName, RefersTo, RepoName, StepName, StepOrNodeName};
pub use release::Release;
pub use role_name::RoleName;
pub use scalars::{
    CONNECTION_STRING, ConnectionString, Form, Regex, SCALAR, SHELL, SQL, Scalar, Setting, Shell, Sql, VALUE, given,
};
pub use several::{SEVERAL, Several};
pub use spanned::{Name, SPANNED, Spanned, WORD};
pub use suggest::{choices, did_you_mean};
pub use timeline::Timeline;
pub use version_req::VersionReq;
pub use which_wal::WhichWal;
