//! Writes events, and hands them to whoever listens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use super::{Entry, Event, Redactor};

/// Something that is told every event, in order: a report, the terminal, the file of events.
pub trait Listener: Send {
    /// Called for each event as it happens. Must not block for long.
    fn hear(&mut self, entry: &Entry);

    /// Called before the run's last event is told to everybody, perhaps several times: what writes
    /// files writes them now, so that what cannot be written is known before anything says how the
    /// run ended.
    fn settle(&mut self, _end: &Entry, _which: Written) {}
}

/// What a report is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A file, which can be written again.
    File,
    /// A device or a pipe: what was written stays so.
    Stream,
}

/// The journal of one run; clones write to the same one.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Mutex<Inner>>,
    start: Instant,
}

struct Inner {
    listeners: Vec<Box<dyn Listener>>,
    redactor: Redactor,
}

/// A listener that keeps what it hears, for whoever holds a clone of it.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    /// What was heard since the last call.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Listener for Heard {
    fn hear(&mut self, entry: &Entry) {
        // For people's eyes, and many.
        if !matches!(entry.event, Event::StepWaiting { .. } | Event::TrafficRate { .. }) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry.event.clone());
        }
    }
}

impl Journal {
    /// A journal for others, that keeps the same secrets.
    pub fn beside(&self, listeners: Vec<Box<dyn Listener>>) -> Self {
        let redactor = self.inner.lock().unwrap_or_else(PoisonError::into_inner).redactor.clone();
        Journal::new(listeners, redactor)
    }

    /// A journal that tells these listeners.
    pub fn new(listeners: Vec<Box<dyn Listener>>, redactor: Redactor) -> Self {
        Journal { inner: Arc::new(Mutex::new(Inner { listeners, redactor })), start: Instant::now() }
    }

    /// From now on it tells this listener, too.
    pub fn also_tell(&self, listener: Box<dyn Listener>) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).listeners.push(listener);
    }

    /// Milliseconds since the run's start.
    pub fn elapsed_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// Writes one event.
    pub fn write(&self, event: Event) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entry = Entry { at: Timestamp::now(), elapsed_ms: self.elapsed_ms(), event };
        inner.redactor.event(&mut entry.event);
        for listener in &mut inner.listeners {
            listener.hear(&entry);
        }
    }

    /// Lets all the reports that are written so say how the run will end. See [`Listener::settle`].
    pub fn settle(&self, end: Event, which: Written) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry { at: Timestamp::now(), elapsed_ms: self.elapsed_ms(), event: end };
        inner.listeners.iter_mut().for_each(|listener| listener.settle(&entry, which));
    }

    /// Keeps these out of all that is written from now on, too.
    pub fn keep(&self, secrets: impl IntoIterator<Item = String>) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).redactor.add(secrets);
    }

    /// `text` without the run's secrets.
    pub fn redact(&self, text: &str) -> String {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).redactor.text(text)
    }
}
