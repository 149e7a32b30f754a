//! Assertions that are tried again until they hold.

use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::end::End;
use super::step::StepRun;
use crate::journal::{Cause, Event, Outcome};

/// The first pause between two tries.
const FIRST: Duration = Duration::from_millis(50);
/// The longest one.
const LONGEST: Duration = Duration::from_secs(1);

impl StepRun<'_> {
    /// Tries an assertion until one whole try is as the step expects it, or its time is over. What
    /// no time makes right ends it at once: wrong SQL, and what could not be judged.
    pub(super) async fn until_it_holds(&self) -> End {
        let began = Instant::now();
        // Without a deadline the one attempt says why.
        let Ok(allowed) = self.attempt().allowed().await else { return self.expected(self.attempt().make().await) };
        let own = began + allowed;
        let last_moment = own.min(self.deadline);
        let (mut tries, mut pause, mut before) = (0_u32, FIRST, None::<End>);
        loop {
            tries += 1;
            let attempt = Attempt { own: Some(own), ..self.attempt() };
            let end = attempt.make().await;
            let cut_off = end.problem.as_ref().is_some_and(|problem| problem.cause == Cause::StepDeadline);
            let last = end.lasting || end.foreign || end.outcome == Outcome::Errored;
            let mut end = self.expected(end);
            if let (true, Some(seen)) = (cut_off, before.take()) {
                // The last try was not a whole one: what was seen before says more.
                end = seen;
            }
            let over = cut_off || Instant::now() + pause >= last_moment;
            if !end.outcome.is_bad() || last || over || self.work.env.cancel.is_cancelled() {
                end.facts.insert("tries".to_owned(), tries.into());
                if let Some(problem) = end.problem.take() {
                    let seconds = began.elapsed().as_secs_f64();
                    let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times in {seconds:.1} s") };
                    end.problem = Some(problem.note("tried", times));
                }
                return end;
            }
            let (drill, index) = (self.work.index, self.step.head.index);
            let seen = end.message.as_deref().unwrap_or_default();
            let waiting_for = format!("it to hold; last seen: {seen}");
            self.work.env.journal.write(Event::StepWaiting { drill, index, waiting_for });
            before = Some(end);
            tokio::select! {
                () = self.work.env.cancel.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST);
        }
    }
}
