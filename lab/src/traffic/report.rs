//! What became of requests, as the load tool tells it. Owns the reading of its
//! lines; must never let a request go uncounted.

use serde::Deserialize;

/// Requests that ended alike.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Answers {
    /// The second that they ended in, from the load's start; of failures only.
    pub second: Option<u64>,
    /// The answer's status; 0 where none came.
    #[serde(default)]
    pub status: u16,
    /// The image tag of the pod that answered; empty where none did.
    #[serde(default)]
    pub tag: String,
    /// What the pod was told in the headers that `Requests::echo` names.
    #[serde(default)]
    pub echo: String,
    /// Why it is a failure: no whole answer, another status than 2xx, or none
    /// of a pod. Empty where it is none.
    #[serde(default)]
    pub failed: String,
    /// How many.
    pub count: u64,
}

/// What became of the requests that were answered within a second.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Second {
    /// From the load's start.
    pub second: u64,
    /// How many.
    pub requests: u64,
    /// How many of the newest stage were answered by its end.
    pub in_stage: u64,
    /// By how they ended.
    pub answers: Vec<Answers>,
}

/// What became of the requests that were sent in a stage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stage {
    /// As it was marked; empty for what came before the first mark.
    pub name: String,
    /// When it began, in milliseconds from the load's start.
    pub from_ms: u64,
    /// How many.
    pub requests: u64,
    /// By how they ended, failures too.
    pub answers: Vec<Answers>,
    /// Failures, by the second that they came in.
    pub failures: Vec<Answers>,
    /// Half of the requests took no longer, from when each was due.
    pub p50_us: u64,
    /// And 99 of a hundred.
    pub p99_us: u64,
}

impl Stage {
    /// How many of its requests a version answered, in percent, well or badly.
    #[must_use]
    pub fn share(&self, tag: &str) -> f64 {
        let answered = self.answers.iter().filter(|answers| answers.tag == tag);
        let answered: u64 = answered.map(|answers| answers.count).sum();
        #[expect(clippy::cast_precision_loss, reason = "a test does not send 2^52 requests")]
        let percent = answered as f64 * 100.0 / self.requests as f64;
        percent
    }

    /// How many of its requests failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|answers| answers.count).sum()
    }
}

/// What became of all requests of a load.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Report {
    /// How many were sent.
    pub requests: u64,
    /// For how long they were, in milliseconds.
    pub end_ms: u64,
    /// How long the slowest answer took, from when its request was due.
    pub slowest_us: u64,
    /// One after another; the first has no name.
    pub stages: Vec<Stage>,
    /// One after another.
    #[serde(skip)]
    pub seconds: Vec<Second>,
}

impl Report {
    /// The stage of this name; the last, if several were marked so.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().rev().find(|stage| stage.name == name)
    }

    /// All failures, by stage and second.
    pub fn failures(&self) -> impl Iterator<Item = (&Stage, &Answers)> {
        self.stages.iter().flat_map(|stage| stage.failures.iter().map(move |one| (stage, one)))
    }

    /// How many requests failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.stages.iter().map(Stage::failed).sum()
    }

    /// Whether both ways of counting know of every request.
    pub(super) fn is_whole(&self) -> bool {
        let counted = |answers: &[Answers]| -> u64 { answers.iter().map(|one| one.count).sum() };
        let failed = |answers: &[Answers]| -> u64 {
            answers.iter().filter(|one| !one.failed.is_empty()).map(|one| one.count).sum()
        };
        let in_stages: u64 = self.stages.iter().map(|stage| counted(&stage.answers)).sum();
        let in_seconds: u64 = self.seconds.iter().map(|second| counted(&second.answers)).sum();
        let failed: u64 = self.stages.iter().map(|stage| failed(&stage.answers)).sum();
        in_stages == self.requests && in_seconds == self.requests && failed == self.failed()
    }
}

/// A line of the load tool.
pub(super) enum Line {
    /// From here on requests belong to this stage.
    Marked,
    /// A second is over.
    Second(Second),
    /// The report, still without its seconds.
    End(Report),
}

impl Line {
    pub(super) fn read(text: &str) -> serde_json::Result<Self> {
        let line: serde_json::Value = serde_json::from_str(text)?;
        if line.get("end_ms").is_some() {
            return serde_json::from_value(line).map(Self::End);
        }
        if line.get("second").is_some() {
            return serde_json::from_value(line).map(Self::Second);
        }
        Ok(Self::Marked)
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Report};

    /// Ten requests of which three failed, counted by stage and by second.
    fn report(second: &str) -> Report {
        let end = r#"{"requests":10,"end_ms":999,"slowest_us":1,"stages":[{"name":"all",
            "from_ms":0,"requests":10,"p50_us":1,"p99_us":1,
            "answers":[{"status":200,"tag":"v1","count":7},{"failed":"timeout","count":3}],
            "failures":[{"second":0,"failed":"timeout","count":3}]}]}"#;
        let Line::End(mut report) = Line::read(end).unwrap() else { panic!("no end") };
        let Line::Second(second) = Line::read(second).unwrap() else { panic!("no second") };
        report.seconds.push(second);
        report
    }

    #[test]
    fn a_report_that_lost_a_request_is_not_whole() {
        let whole = r#"{"second":0,"requests":10,"in_stage":10,"answers":[{"tag":"v1","count":7},
            {"failed":"timeout","count":3}]}"#;
        assert!(report(whole).is_whole());
        assert!(!report(&whole.replace("\"count\":7", "\"count\":6")).is_whole());
        let mut hides = report(whole);
        hides.stages[0].failures.clear();
        assert!(!hides.is_whole());
    }

    #[test]
    fn shares_are_of_all_requests() {
        let report = report(r#"{"second":0,"requests":10,"in_stage":10,"answers":[]}"#);
        let stage = report.stage("all").unwrap();
        assert!((stage.share("v1") - 70.0).abs() < 0.001);
        assert_eq!((stage.failed(), report.failures().count()), (3, 1));
    }
}
