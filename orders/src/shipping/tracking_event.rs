//! The requests that report tracking events. Carriers send them to `POST /api/webhooks/carrier`,
//! staff to `POST /api/orders/{id}/shipments/{shipmentID}/scans`.

use super::{Scan, ScanEvent, ShipmentId};
use crate::{
    json::{self, FieldErrors, Object},
    request::{self, Error},
};
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A carrier's webhook message: `{"id","shipmentID","event","time","reason"?}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The carrier's id of the message, for the logs. Duplicates are recognized by the content of
    /// the message, not by this id.
    pub id: String,
    pub scan: Scan,
}

impl Message {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// As [`request::NewOrder::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut faults = FieldErrors::of_signed();
        let message = Object::read(request::document(body)?, String::new(), &mut faults).and_then(|object| read(object, &mut faults));
        match message {
            Some(message) if faults.is_empty() => Ok(message),
            _ => Err(Error::Invalid(faults.into_vec())),
        }
    }
}

/// A tracking event that staff record for a shipment: `{"event","reason"?}`. Its time is the time
/// of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub event: ScanEvent,
    /// Why the shipment does not arrive. The customer can read it.
    pub reason: Option<String>,
}

impl Report {
    /// Reads the body of a report.
    ///
    /// # Errors
    /// As [`request::NewOrder::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut faults = FieldErrors::default();
        let report = Object::read(request::document(body)?, String::new(), &mut faults).and_then(|mut object| {
            let event = object.required("event", &mut faults).and_then(|value| event(value, &mut faults));
            let reason = object.optional("reason").and_then(|value| request::reason(value, &mut faults));
            object.end(&mut faults);
            Some(Self { event: event?, reason })
        });
        match report {
            Some(report) if faults.is_empty() => Ok(report),
            _ => Err(Error::Invalid(faults.into_vec())),
        }
    }
}

fn read(mut object: Object<'_>, faults: &mut FieldErrors) -> Option<Message> {
    let id = object.required("id", faults).and_then(|value| request::identifier(value, "/id", faults));
    let shipment_id = object.required("shipmentID", faults).and_then(|value| shipment(value, faults));
    let event = object.required("event", faults).and_then(|value| event(value, faults));
    let at = object.required("time", faults).and_then(|value| time(value, faults));
    let reason = object.optional("reason").and_then(|value| request::reason(value, faults));
    object.end(faults);
    Some(Message { id: id?, scan: Scan { shipment_id: shipment_id?, event: event?, at: at?, reason } })
}

fn shipment(value: &RawValue, faults: &mut FieldErrors) -> Option<ShipmentId> {
    let id = json::string(value, "/shipmentID", faults)?.parse();
    id.map_err(|error: super::NotAShipment| faults.add("/shipmentID", format!("is {error}"))).ok()
}

fn event(value: &RawValue, faults: &mut FieldErrors) -> Option<ScanEvent> {
    let name = json::string(value, "/event", faults)?;
    let event = ScanEvent::ALL.iter().find(|event| event.as_str() == name).copied();
    if event.is_none() {
        let known: Vec<&str> = ScanEvent::ALL.iter().map(|event| event.as_str()).collect();
        faults.add("/event", format!("must be one of {}", known.join(", ")));
    }
    event
}

fn time(value: &RawValue, faults: &mut FieldErrors) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::parse(&json::string(value, "/time", faults)?, &Rfc3339);
    time.map_err(|_| faults.add("/time", "must be a time such as 2026-01-31T12:00:00Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"evt-1","shipmentID":"ord_01930000000070008000000000000001-2","event":"LOST","time":"2026-01-31T12:00:00Z","reason":"fell off"}"#;

    fn pointers(body: &str) -> Vec<String> {
        match Message::parse(body.as_bytes()) {
            Err(Error::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
            other => panic!("expected faults, got {other:?}"),
        }
    }

    #[test]
    fn reads_what_a_carrier_says() {
        let Message { id, scan } = Message::parse(GOOD.as_bytes()).unwrap();
        assert_eq!((id.as_str(), scan.shipment_id.number, scan.event), ("evt-1", 2, ScanEvent::Lost));
        assert_eq!((scan.at.unix_timestamp(), scan.reason.as_deref()), (1_769_860_800, Some("fell off")));
    }

    #[test]
    fn names_every_fault() {
        assert!(matches!(Message::parse(b"{"), Err(Error::Malformed(_))));
        assert_eq!(pointers("{}"), ["/id", "/shipmentID", "/event", "/time"]);
        assert_eq!(pointers(&GOOD.replace("-2\"", "\"")), ["/shipmentID"]);
        assert_eq!(pointers(&GOOD.replace("LOST", "BOOKED")), ["/event"]);
        assert_eq!(pointers(&GOOD.replace("2026-01-31T12:00:00Z", "yesterday")), ["/time"]);
        assert_eq!(pointers(&GOOD.replace("fell off", &"x".repeat(201))), ["/reason"]);
        assert_eq!(pointers(&GOOD.replace(r#""reason""#, r#""why""#)), ["/why"]);
    }

    #[test]
    fn reads_what_the_shops_people_say() {
        let report = Report { event: ScanEvent::Returned, reason: Some("nobody home".to_owned()) };
        assert_eq!(Report::parse(br#"{"event":"RETURNED","reason":"nobody home"}"#), Ok(report));
        for (body, pointers) in [
            ("{}", &["/event"][..]),
            (r#"{"event":"BOOKED"}"#, &["/event"]),
            (r#"{"event":1,"reason":2,"time":"2026-01-31T12:00:00Z"}"#, &["/event", "/reason", "/time"]),
        ] {
            let Err(Error::Invalid(faults)) = Report::parse(body.as_bytes()) else { panic!("{body} is taken") };
            assert_eq!(faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>(), pointers, "{body}");
        }
    }
}
