//! The errors of the YAML crate in plain words, by what they are about.

use std::borrow::Cow;

use granit_parser::ErrorKind as E;

/// What a message says of an error.
pub(super) struct Words {
    pub title: Cow<'static, str>,
    pub label: &'static str,
    pub help: Option<&'static str>,
}

impl Words {
    fn new(title: impl Into<Cow<'static, str>>, label: &'static str) -> Self {
        Words { title: title.into(), label, help: None }
    }

    fn help(self, help: &'static str) -> Self {
        Words { help: Some(help), ..self }
    }
}

/// What to say of an error of this kind.
pub(super) fn words(kind: &E) -> Words {
    [quotes, brackets, indentation, keys, blocks, signs]
        .iter()
        .find_map(|topic| topic(kind))
        .unwrap_or_else(|| Words::new(format!("this is not YAML: {kind}"), "here"))
}

/// Text in quotes, and its escapes.
fn quotes(kind: &E) -> Option<Words> {
    Some(match kind {
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar => {
            Words::new("a quote is not closed", "it is opened here")
                .help("close it; a quote inside quotes is written twice ('it''s') or escaped (\"a \\\" b\")")
        }
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => {
            Words::new("there is text after a closing quote", "this is outside the quotes").help(
                "put the whole value in quotes; a quote inside is written twice ('it''s') or escaped (\"a \\\" b\")",
            )
        }
        E::UnknownQuotedScalarEscape
        | E::InvalidQuotedScalarHexEscape
        | E::InvalidLowSurrogateHexEscape
        | E::InvalidLowSurrogate
        | E::MissingLowSurrogate
        | E::UnpairedLowSurrogate
        | E::InvalidUnicodeEscape => Words::new("an escape that YAML does not know", "here").help(
            "in double quotes `\\` begins an escape: write `\\\\`, or use single quotes, where it is only a character",
        ),
        _ => return None,
    })
}

/// Lists and maps in brackets.
fn brackets(kind: &E) -> Option<Words> {
    Some(match kind {
        E::UnclosedFlowCollection { open } => Words::new(format!("`{open}` is not closed"), "it is opened here"),
        E::MismatchedFlowCollectionEnd { open, close } => {
            Words::new(format!("`{open}` is closed by `{close}`"), "the wrong bracket")
        }
        E::MisplacedFlowCollectionEnd => Words::new("a bracket is closed that was not opened", "nothing is open here")
            .help("text that begins with a bracket needs quotes"),
        E::ExpectedFlowMappingSeparator | E::UnexpectedEofFlowMapping | E::UnexpectedEofImplicitFlowMapping => {
            Words::new("expected `,` or `}`", "found this").help("text with `,`, `:`, `{` or `}` in it needs quotes")
        }
        E::ExpectedFlowSequenceSeparator | E::UnexpectedEofFlowSequence => {
            Words::new("expected `,` or `]`", "found this").help("text with `,`, `:`, `[` or `]` in it needs quotes")
        }
        _ => return None,
    })
}

/// What lines begin with.
fn indentation(kind: &E) -> Option<Words> {
    Some(match kind {
        E::TabInIndentation
        | E::TabInBlockIndentation
        | E::TabNotAllowed
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar => {
            Words::new("a tab is used where YAML knows only spaces", "this is a tab").help("put spaces in its place")
        }
        E::InvalidIndentation
        | E::ExpectedBlockMappingKey
        | E::ExpectedBlockSequenceEntry
        | E::InvalidQuotedScalarIndent
        | E::InvalidFlowScalarIndent
        | E::InvalidBlockScalarIndent
        | E::MappingKeyNotAllowed => {
            Words::new("the indentation does not fit what is above", "this belongs to nothing")
                .help("lines that belong together begin in the same column")
        }
        E::BlockSequenceEntryNotAllowed | E::BlockEntryInFlowCollection => {
            Words::new("a list's `-` cannot stand here", "this `-`")
                .help("a list begins on a line of its own; inside brackets members are divided by commas")
        }
        _ => return None,
    })
}

/// Keys and their colons.
fn keys(kind: &E) -> Option<Words> {
    Some(match kind {
        E::MappingValueNotAllowed | E::InvalidColonPlacement => Words::new("a `:` cannot stand here", "this `:`").help(
            "text that contains `: ` needs quotes; if this is a key, see whether its line begins where it should",
        ),
        E::FlowMappingValueAdjacentCollection | E::InvalidMappingValueWhitespace => {
            Words::new("a space is missing after `:`", "here").help("write `key: value`")
        }
        E::SimpleKeyExpected | E::InvalidSimpleKey => {
            Words::new("a key without its `:`", "this is neither a key nor a part of what is above")
                .help("write `key: value`; a text of several lines begins with `|` or `>`")
        }
        _ => return None,
    })
}

/// Text of several lines, and where the file ends.
fn blocks(kind: &E) -> Option<Words> {
    Some(match kind {
        E::InvalidBlockScalarHeader | E::ZeroBlockScalarIndent => {
            Words::new("text of several lines begins on the next line", "after `|` or `>`")
                .help("text that begins with `|` or `>` needs quotes")
        }
        E::UnexpectedEof | E::UnexpectedEofBlockSequence | E::UnexpectedEofBlockMapping => {
            Words::new("the file ends in the middle of something", "here")
        }
        _ => return None,
    })
}

/// Signs that mean something to YAML.
fn signs(kind: &E) -> Option<Words> {
    Some(match kind {
        E::UnexpectedCharacter { character: '`' } => {
            Words::new("a value cannot begin with a backtick", "here").help("put it in quotes")
        }
        E::UnexpectedCharacter { character } => {
            Words::new(format!("a value cannot begin with `{}`", character.escape_default()), "here")
                .help("put it in quotes")
        }
        E::PlainScalarStartsWithDashFlowIndicator => {
            Words::new("a value cannot begin with `-` here", "here").help("put it in quotes")
        }
        E::UndeclaredTagHandle
        | E::ExpectedTagBang
        | E::InvalidTagTerminator
        | E::InvalidGlobalTagCharacter
        | E::MissingTagUri => {
            Words::new("tags are not supported", "`!` begins a tag").help("text that begins with `!` needs quotes")
        }
        E::MissingAnchorOrAliasName => Words::new("a name is missing after `&` or `*`", "here")
            .help("text that begins with `&` or `*` needs quotes"),
        E::CommentNotSeparated | E::CommentInterceptedScalar => {
            Words::new("a comment cannot stand here", "this `#`").help("put a space before `#`, or the text in quotes")
        }
        _ => return None,
    })
}
