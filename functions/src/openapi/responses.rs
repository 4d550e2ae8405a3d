//! The problems that several operations answer. Each one is a component of the document.

use crate::http::{JsonBody, Kind, MAX_BODY_BYTES, Problem};
use axum::{
    http::{HeaderName, header},
    response::IntoResponse,
};
use orders::json::FieldError;
use std::collections::BTreeMap;
use utoipa::{
    IntoResponses,
    openapi::{
        Content, Header, Ref, RefOr, Response, ResponseBuilder,
        content::ContentBuilder,
        example::{Example, ExampleBuilder},
    },
};

/// The headers of problems that the document contains.
const HEADERS: [(HeaderName, &str); 2] = [(header::WWW_AUTHENTICATE, "WWW-Authenticate"), (header::RETRY_AFTER, "Retry-After")];

/// Declares responses: the name of the component, the status, the description, and an example of
/// each kind of problem.
macro_rules! problems {
    ($($name:ident $status:literal $description:literal { $($example:literal: $problem:expr,)+ })+) => {
        $(
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    BTreeMap::from([($status.to_string(), Ref::from_response_name(stringify!($name)).into())])
                }
            }
        )+

        /// All components by name.
        pub(super) fn components() -> BTreeMap<String, Response> {
            BTreeMap::from([$((stringify!($name).to_owned(), response($description, &[$(($example, $problem)),+]))),+])
        }
    };
}

problems! {
    Malformed 400 "The request cannot be read: its body is not UTF-8 JSON, it has no Host or several, a header that may appear once appears twice, or it is not an HTTP/1.1 request." {
        "malformed": malformed(),
    }
    MalformedOrWithoutKey 400 "The body cannot be read (`/problems/malformed-request`), or the call has no Idempotency-Key (`/problems/idempotency-key-required`)." {
        "malformed": malformed(),
        "without a key": Problem::new(Kind::IdempotencyKeyRequired, "This call needs a header Idempotency-Key: a new one for each effect, the same one to repeat it."),
    }
    Unauthenticated 401 "The token is missing (`/problems/unauthenticated`), or it is expired, for another audience or otherwise not valid (`/problems/invalid-token`)." {
        "missing": Problem::new(Kind::Unauthenticated, "This call needs a header Authorization with a bearer token."),
        "expired": Problem::new(Kind::InvalidToken, "The token has expired."),
    }
    Forbidden 403 "The `customerID` is not the token's subject (`/problems/forbidden`), or the token lacks the required scope (`/problems/insufficient-scope`)." {
        "other customer": Problem::new(Kind::Forbidden, "The customerID must be the subject of the token."),
        "scope": insufficient_scope(),
    }
    InsufficientScope 403 "The token lacks the required scope." {
        "scope": insufficient_scope(),
    }
    StaffOnly 403 "The token's subject is not one of the shop's staff, or the token lacks the required scope." {
        "staff": Problem::new(Kind::StaffOnly, "The token's subject is in neither of the groups staff and admin."),
    }
    AdminOnly 403 "The token's subject is not one of the shop's admins, or the token lacks the required scope." {
        "admin": Problem::new(Kind::AdminOnly, "The token's subject is not in the group admin."),
    }
    OrderNotFound 404 "No order has this id, or it is another customer's." {
        "order": Problem::no_such_order(),
    }
    TraceNotFound 404 "Tracing is off, or no span of this order is kept." {
        "trace": Problem::no_trace(),
    }
    RequestTimeout 408 "The headers or the body did not arrive in time. The connection closes." {
        "body": Problem::new(Kind::RequestTimeout, "The body did not arrive in time."),
    }
    OrderEnded 409 "The order has ended, or is in transit, and can no longer be cancelled." {
        "ended": Problem::new(Kind::OrderEnded, "The order is COMPLETED and can no longer be cancelled."),
    }
    NothingToRefund 409 "The order is not paid, or everything has been refunded or is about to be." {
        "refunded": Problem::new(Kind::NothingToRefund, "Everything has been refunded, or is about to be."),
    }
    NotWaiting 409 "The order does not wait for this decision, or waits no longer, or it was reviewed with the other decision before." {
        "decided": Problem::not_waiting(),
    }
    BodyTooLarge 413 "The body has more than 65536 bytes." {
        "body": Problem::new(Kind::BodyTooLarge, format!("A body may have at most {MAX_BODY_BYTES} bytes.")),
    }
    UriTooLong 414 "The path with its query has more than 8192 bytes." {
        "address": Problem::uri_too_long(),
    }
    UnsupportedMediaType 415 "The body is not declared to be application/json, or it has a Content-Encoding." {
        "type": Problem::new(Kind::UnsupportedMediaType, "The body must be sent as application/json."),
    }
    Invalid 422 "The request can be read, but is not valid; `errors` names every fault." {
        "quantity": Problem::invalid(vec![fault("/items/0/quantity", "must be a whole number from 1 to 10000")]),
    }
    InvalidOrReused 422 "The request is not valid (`/problems/invalid-request`), or its Idempotency-Key was used with another body (`/problems/idempotency-key-reused`)." {
        "invalid": Problem::invalid(vec![fault("/customerID", "is required"), fault("/items/0/quantity", "must be a whole number from 1 to 10000")]),
        "reused": Problem::new(Kind::IdempotencyKeyReused, "Another request was made with this Idempotency-Key; a new one needs a new key."),
    }
    TooManyRequests 429 "There were too many requests of this kind about this order within an hour (30 unless configured otherwise). `Retry-After` says how long to wait." {
        "refused": crate::idempotency::request_limit::too_many_requests(),
    }
    HeadersTooLarge 431 "Request line and headers have more than 16384 bytes, or there are more than 100 headers. The connection closes." {
        "headers": Problem::new(Kind::HeadersTooLarge, "The headers may have at most 16384 bytes, and be at most 100."),
    }
    Internal 500 "Something went wrong on our side." {
        "panic": Problem::new(Kind::Internal, "Something went wrong on our side."),
    }
    Unavailable 503 "Something the call depends on is away. Try again, with the same Idempotency-Key if there is one." {
        "uncertain": Problem::new(Kind::Unavailable, "It is not certain that the order was accepted; try again, with the same Idempotency-Key if there is one."),
    }
}

/// [`Unavailable`] for a call that may have placed an order.
pub(crate) struct OrderUncertain;

impl IntoResponses for OrderUncertain {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut unavailable = Ref::from_response_name("Unavailable");
        unavailable.description = "Something the call depends on is away. The order may have been accepted all the same: sent again with \
            the same Idempotency-Key it is placed once, without one it may be placed twice."
            .to_owned();
        BTreeMap::from([("503".to_owned(), unavailable.into())])
    }
}

/// The problems that every operation may answer.
pub(crate) struct Everywhere;

impl IntoResponses for Everywhere {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let (read, internal) = ([Malformed::responses(), RequestTimeout::responses()], Internal::responses());
        read.into_iter().chain([UriTooLong::responses(), HeadersTooLarge::responses(), internal]).flatten().collect()
    }
}

impl IntoResponses for JsonBody {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BodyTooLarge::responses().into_iter().chain(UnsupportedMediaType::responses()).collect()
    }
}

fn malformed() -> Problem {
    Problem::new(Kind::MalformedRequest, "In the request, the body is not JSON: expected value at line 1 column 1.")
}

fn insufficient_scope() -> Problem {
    Problem::new(Kind::InsufficientScope, "The token lacks the scope that this call needs.")
}

fn fault(pointer: &str, message: &str) -> FieldError {
    FieldError { pointer: pointer.to_owned(), message: message.to_owned() }
}

/// A response with these problems. It has the headers that all of them have.
fn response(description: &str, problems: &[(&str, Problem)]) -> Response {
    let headers: Vec<_> = problems.iter().map(|(_, problem)| problem.clone().into_response().headers().clone()).collect();
    let common = HEADERS.iter().filter(|(name, _)| headers.iter().all(|headers| headers.contains_key(name)));
    let response = ResponseBuilder::new().description(description).content("application/problem+json", content(problems));
    common.fold(response, |response, (_, name)| response.header(*name, Header::default())).build()
}

fn content(problems: &[(&str, Problem)]) -> Content {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    match problems {
        [(_, problem)] => content.example(Some(problem.example())).build(),
        problems => content.examples_from_iter(problems.iter().map(|(name, problem)| (*name, example(problem)))).build(),
    }
}

fn example(problem: &Problem) -> Example {
    ExampleBuilder::new().value(Some(problem.example())).build()
}

/// Declares a response that only one operation has.
macro_rules! problems_of_operation {
    ($name:ident $status:literal $description:literal { $($example:literal: $problem:expr,)+ }) => {
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([($status.to_string(), response($description, &[$(($example, $problem)),+]).into())])
            }
        }
    };
}

problems_of_operation! {
    ShipmentNotFound 404 "There is no such order, or it has no such shipment." {
        "order": Problem::no_such_order(),
        "shipment": Problem::new(Kind::ShipmentNotFound, "The order has no shipment of this id."),
    }
}
problems_of_operation! {
    ProductNotFound 404 "No product has this id." {
        "product": Problem::new(Kind::ProductNotFound, "No product has this id."),
    }
}
problems_of_operation! {
    InvalidCarrierMessage 400 "The signature is missing, wrong or too old (`/problems/invalid-signature`), or the body is not JSON (`/problems/malformed-request`)." {
        "signature": Problem::new(Kind::InvalidSignature, "In the header carrier-signature, the signature belongs to another body or to another secret."),
        "body": malformed(),
    }
}
problems_of_operation! {
    CarrierNotFound 404 "There is no such order, or no carrier is configured." {
        "order": Problem::no_such_order(),
        "webhook": webhook_not_configured(),
    }
}
problems_of_operation! {
    InvalidStripeEvent 400 "The signature is missing, wrong or too old (`/problems/invalid-signature`), or the body is not an event (`/problems/malformed-request`)." {
        "signature": Problem::new(Kind::InvalidSignature, "In the header stripe-signature, the signature belongs to another body or to another secret."),
        "body": Problem::new(Kind::MalformedRequest, "The body is no event of Stripe's."),
    }
}
problems_of_operation! {
    StripeNotFound 404 "Stripe is not configured." {
        "webhook": webhook_not_configured(),
    }
}

fn webhook_not_configured() -> Problem {
    Problem::new(Kind::NotFound, "This webhook is not configured.")
}
