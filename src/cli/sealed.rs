//! Keeps a secret until it may be known: what is told of a drill that was drawn.

use std::collections::VecDeque;

use crate::journal::{Entry, Event, Firedrill, Listener, Written};

/// Until when nothing is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// People were told what they need.
    Ready,
    /// Their part has ended.
    Ended,
}

/// A listener that hears nothing before that, and then everything.
pub(super) struct Sealed {
    until: Until,
    inner: Box<dyn Listener>,
    waiting: VecDeque<Entry>,
    open: bool,
}

impl Sealed {
    /// Seals a listener.
    pub(super) fn around(inner: Box<dyn Listener>, until: Until) -> Box<dyn Listener> {
        Box::new(Sealed { until, inner, waiting: VecDeque::new(), open: false })
    }

    fn unseal(&mut self) {
        self.open = true;
        for entry in self.waiting.drain(..) {
            self.inner.hear(&entry);
        }
    }
}

impl Listener for Sealed {
    fn hear(&mut self, entry: &Entry) {
        let ends = match &entry.event {
            Event::Firedrill { what: Firedrill::Ready { .. }, .. } => self.until == Until::Ready,
            Event::Firedrill { what: Firedrill::Ended { .. }, .. }
            | Event::DrillFinished { .. }
            | Event::RunFinished { .. } => true,
            _ => false,
        };
        if ends && !self.open {
            self.unseal();
        }
        match self.open {
            true => self.inner.hear(entry),
            false => self.waiting.push_back(entry.clone()),
        }
    }

    fn settle(&mut self, end: &Entry, which: Written) {
        self.unseal();
        self.inner.settle(end, which);
    }
}

impl Drop for Sealed {
    /// Of a run that broke off, too, everything is known in the end.
    fn drop(&mut self) {
        self.unseal();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Ending, Heard, Journal, Redactor};

    #[test]
    fn nothing_is_told_before_the_end_and_everything_then() {
        let heard = Heard::default();
        let journal = Journal::new(vec![Sealed::around(Box::new(heard.clone()), Until::Ended)], Redactor::default());
        let warned = |message: &str| Event::Warned { drill: None, message: message.to_owned() };
        journal.write(warned("first"));
        assert_eq!(heard.take(), []);
        let ended = Event::Firedrill { drill: 0, what: Firedrill::Ended { clock_ms: 1, how: Ending::AllHold } };
        journal.write(ended.clone());
        journal.write(warned("last"));
        assert_eq!(heard.take(), [warned("first"), ended, warned("last")]);
    }
}
