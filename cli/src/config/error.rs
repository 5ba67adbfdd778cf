//! Errors in files of the user's: the file, the line, what is wrong, what would be right.

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use std::ops::Range;
use std::sync::Arc;

/// A file's name and text, for errors that point into it.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: Arc<str>,
}

impl Source {
    /// A file of this name and text.
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// An error at a place in the text.
    pub fn error(&self, span: Range<usize>, wrong: impl Into<String>, right: impl Into<String>) -> ConfigError {
        ConfigError {
            source: Box::new(NamedSource::new(&self.name, self.text.to_string())),
            span,
            wrong: wrong.into(),
            right: right.into(),
        }
    }
}

/// What is wrong in a file, where, and what would be right.
#[derive(Debug)]
pub struct ConfigError {
    source: Box<NamedSource<String>>,
    span: Range<usize>,
    wrong: String,
    right: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.wrong)
    }
}

impl std::error::Error for ConfigError {}

impl Diagnostic for ConfigError {
    fn help(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        (!self.right.is_empty()).then(|| Box::new(&self.right) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(Some("here".into()), self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}
