//! Events that SES publishes about an e-mail after it has accepted it. An event comes either from
//! SES's event publishing or as a notification of the sender's identity. The two differ in the name
//! of one field. Addresses and the answers of mail servers are not read, because they are personal
//! data.

use serde::Deserialize;
use std::time::Duration;
use time::OffsetDateTime;

#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(rename = "eventType", alias = "notificationType")]
    kind: String,
    mail: Mail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    reject: Option<Reject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: String,
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    bounce_sub_type: String,
    bounced_recipients: Vec<BouncedRecipient>,
}

#[derive(Deserialize)]
struct BouncedRecipient {
    /// The status code from the mail server, such as 5.1.1. `None` if SES did not contact the
    /// server.
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complaint_feedback_type: Option<String>,
}

#[derive(Deserialize)]
struct Reject {
    reason: String,
}

/// What happened to an e-mail, with a reason that contains no personal data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The e-mail did not reach the customer.
    Bounced(String),
    /// The customer reported the e-mail as spam.
    Complained(String),
    /// SES accepted the e-mail and then found something forbidden in it, such as a virus.
    Rejected(String),
    /// The recipient's side sent something back. It may be an out-of-office reply, so the e-mail
    /// does not count as undelivered.
    AutoReply(String),
}

/// Why a message cannot be read. The error contains no text of the message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("it is not an event: {:?} error at column {}", .0.classify(), .0.column())]
    NotAnEvent(#[from] serde_json::Error),
    #[error("the event {0} lacks its details")]
    Incomplete(&'static str),
}

impl Event {
    pub(super) fn read(body: &str) -> Result<Self, Error> {
        Ok(serde_json::from_str(body)?)
    }

    /// The e-mail's id, which SES returned when it accepted the e-mail.
    pub(super) fn message_id(&self) -> &str {
        &self.mail.message_id
    }

    /// The time since SES accepted the e-mail.
    pub(super) fn age(&self) -> Duration {
        (OffsetDateTime::now_utc() - self.mail.timestamp).try_into().unwrap_or_default()
    }

    /// What happened to the e-mail, or `None` if the event reports no problem.
    pub(super) fn outcome(&self) -> Result<Option<Outcome>, Error> {
        Ok(match self.kind.as_str() {
            "Bounce" => Some(self.bounce.as_ref().ok_or(Error::Incomplete("Bounce"))?.outcome()),
            "Complaint" => self.complaint.as_ref().ok_or(Error::Incomplete("Complaint"))?.outcome(),
            "Reject" => Some(Outcome::Rejected(self.reject.as_ref().ok_or(Error::Incomplete("Reject"))?.reason.clone())),
            _ => None,
        })
    }
}

impl Bounce {
    fn outcome(&self) -> Outcome {
        let status = self.bounced_recipients.iter().find_map(|recipient| recipient.status.as_deref()).unwrap_or_default();
        let reason = format!("{}/{} {status}", self.bounce_type, self.bounce_sub_type).trim_end().to_owned();
        match (self.bounce_type.as_str(), self.bounce_sub_type.as_str()) {
            ("Transient", "General") => Outcome::AutoReply(reason),
            _ => Outcome::Bounced(reason),
        }
    }
}

impl Complaint {
    fn outcome(&self) -> Option<Outcome> {
        match self.complaint_feedback_type.as_deref() {
            Some("not-spam") => None,
            kind => Some(Outcome::Complained(kind.unwrap_or("complaint").to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(field: &str, kind: &str, more: Value) -> Event {
        let mut event = json!({
            "mail": { "messageId": "0100-1", "timestamp": "2017-08-05T00:40:02.012Z", "destination": ["jane@example.com"], "tags": {} }
        });
        event[field] = json!(kind);
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Event::read(&event.to_string()).unwrap()
    }

    fn bounce(kind: &str, sub: &str, recipient: Value) -> Value {
        json!({ "bounce": { "bounceType": kind, "bounceSubType": sub, "bouncedRecipients": [recipient], "timestamp": "2017-08-05T00:41:02.669Z" } })
    }

    #[test]
    fn bounces_are_distinguished() {
        let jane =
            json!({ "emailAddress": "jane@example.com", "status": "5.1.1", "diagnosticCode": "smtp; 550 <jane@example.com> unknown" });
        let permanent = event("eventType", "Bounce", bounce("Permanent", "General", jane.clone()));
        assert_eq!(permanent.outcome().unwrap(), Some(Outcome::Bounced("Permanent/General 5.1.1".to_owned())));
        assert_eq!(permanent.message_id(), "0100-1");
        assert!(permanent.age() > Duration::from_secs(86_400));
        let suppressed = bounce("Permanent", "OnAccountSuppressionList", json!({ "emailAddress": "jane@example.com" }));
        let suppressed = event("notificationType", "Bounce", suppressed);
        assert_eq!(suppressed.outcome().unwrap(), Some(Outcome::Bounced("Permanent/OnAccountSuppressionList".to_owned())));
        let full = event("eventType", "Bounce", bounce("Transient", "MailboxFull", jane.clone()));
        assert_eq!(full.outcome().unwrap(), Some(Outcome::Bounced("Transient/MailboxFull 5.1.1".to_owned())));
        let absent = event("eventType", "Bounce", bounce("Transient", "General", jane));
        assert_eq!(absent.outcome().unwrap(), Some(Outcome::AutoReply("Transient/General 5.1.1".to_owned())));
    }

    #[test]
    fn complaints_rejections_and_deliveries_are_distinguished() {
        let complaint = |kind: Value| event("eventType", "Complaint", json!({ "complaint": { "complaintFeedbackType": kind } }));
        assert_eq!(complaint(json!("abuse")).outcome().unwrap(), Some(Outcome::Complained("abuse".to_owned())));
        assert_eq!(complaint(Value::Null).outcome().unwrap(), Some(Outcome::Complained("complaint".to_owned())));
        assert_eq!(complaint(json!("not-spam")).outcome().unwrap(), None);
        let reject = event("eventType", "Reject", json!({ "reject": { "reason": "Bad content" } }));
        assert_eq!(reject.outcome().unwrap(), Some(Outcome::Rejected("Bad content".to_owned())));
        assert_eq!(event("eventType", "Delivery", json!({ "delivery": {} })).outcome().unwrap(), None);
    }

    #[test]
    fn the_error_about_an_unreadable_event_quotes_nothing() {
        for garbage in ["", "jane@example.com", "{}", r#"{"eventType":"Bounce","mail":{"messageId":"x","timestamp":"jane@example.com"}}"#] {
            let error = Event::read(garbage).err().unwrap().to_string();
            assert!(!error.contains("jane"), "{error}");
        }
        assert!(event("eventType", "Bounce", json!({})).outcome().is_err());
    }
}
