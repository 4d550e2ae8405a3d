//! The webhooks of the carrier and of Stripe.

pub mod carrier_webhook;
pub mod stripe_webhook;
