//! Stripe slow, busy, failing, or done and not telling: in the end each thing is done once, or nothing is.

use super::{
    ORDER, VISA,
    gateway::{part, taken},
    payment,
    stand_in::Trouble,
    stripe,
};
use crate::support::run;
use anyhow::{Result, ensure};
use std::time::Duration;
use tokio::time::timeout;
use worker::payment::{Error, Gateway, Payment, Refund, Standing, Stripe};

/// As the limit of an attempt.
const LIMIT: Duration = Duration::from_secs(1);
/// Attempts that a trouble may take.
const ATTEMPTS: usize = 4;
/// The calls by which an order is paid and refunded, by the ends of their paths.
const CALLS: [&str; 4] = ["/payment_intents", "/confirm", "/capture", "/refunds"];

/// One attempt at paying and refunding, as the worker makes it: after an attempt that failed the gateway is asked first.
async fn attempt(stripe: &Stripe, again: bool) -> Result<(), Error> {
    let mut payment = payment();
    let standing = if again { stripe.look_up(&payment).await? } else { Standing::Open };
    let (reference, captured) = match standing {
        Standing::Open => (stripe.authorize(&payment, VISA).await?, false),
        Standing::Authorized(reference) => (reference, false),
        Standing::Captured(reference) => (reference, true),
        Standing::Declined(reason) => return Err(Error::Declined(reason)),
    };
    payment.reference = Some(reference);
    if !captured {
        stripe.capture(&payment).await?;
    }
    stripe.refund(&payment, &part(2_500)).await
}

/// Attempts until one works; says how many failed.
async fn until_done(stripe: &Stripe) -> Result<usize> {
    for failed in 0..ATTEMPTS {
        match timeout(LIMIT, attempt(stripe, failed > 0)).await {
            Ok(Ok(())) => return Ok(failed),
            Ok(Err(Error::Declined(reason))) => anyhow::bail!("declined: {reason}"),
            Ok(Err(error @ (Error::NotNow(_) | Error::Mismatch(_)))) => return Err(error.into()),
            Ok(Err(Error::Unavailable(_))) | Err(_) => {}
        }
    }
    anyhow::bail!("not done in {ATTEMPTS} attempts")
}

/// Stripe remembers a key for a day. What is on record leads to the intent and to the refund all the same.
#[test]
fn what_is_on_record_is_not_done_again_when_the_keys_are_forgotten() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let mut payment = payment();
        payment.reference = Some(stripe.authorize(&payment, VISA).await?);
        stand_in.forget_keys();
        assert_eq!(Some(stripe.authorize(&payment, VISA).await?), payment.reference);
        stripe.capture(&payment).await?;
        stripe.refund(&payment, &part(2_500)).await?;
        stand_in.forget_keys();
        assert!(matches!(stripe.look_up(&payment).await?, Standing::Captured(_)));
        stripe.refund(&payment, &Refund { again: true, ..part(2_500) }).await?;
        let (_, intent) = stand_in.intent(ORDER)?;
        assert_eq!((intent.holds, intent.captures, intent.refunded), (1, 1, 2_500));
        Ok(())
    });
}

/// Whatever of this goes wrong with any one call, an order is held, taken and refunded once.
fn once_in_spite_of(troubles: &[Trouble]) {
    run(async {
        for trouble in troubles {
            for call in CALLS {
                let (stand_in, stripe) = stripe().await?;
                stand_in.trouble(call, *trouble);
                let failed = until_done(&stripe).await?;
                let (_, intent) = stand_in.intent(ORDER)?;
                let done = (intent.status, intent.holds, intent.captures, intent.refunded);
                assert_eq!(done, ("succeeded", 1, 1, 2_500), "{trouble:?} at {call}");
                ensure!(failed == 1 && stand_in.is_quiet(), "{trouble:?} at {call}: {failed} attempts failed");
            }
        }
        Ok(())
    });
}

#[test]
fn a_lost_answer_charges_nothing_twice() {
    once_in_spite_of(&[Trouble::AnswerLost]);
}

#[test]
fn what_is_busy_is_asked_again() {
    once_in_spite_of(&["idempotency_key_in_use", "lock_timeout", "rate_limit", "unavailable"].map(Trouble::Refused));
}

/// Stripe answers with the same failure for a day. Where an intent may have been made by then, there is another beside it, which nobody confirms.
#[test]
fn a_failure_that_stripe_has_stored_is_got_over() {
    once_in_spite_of(&[Trouble::Fails { done: false }]);
    run(async {
        for call in &CALLS[1..] {
            let (stand_in, stripe) = stripe().await?;
            stand_in.trouble(call, Trouble::Fails { done: true });
            until_done(&stripe).await?;
            let (_, intent) = stand_in.intent(ORDER)?;
            assert_eq!((intent.holds, intent.captures, intent.refunded), (1, 1, 2_500), "{call}");
        }
        Ok(())
    });
}

/// Stripe stores the refusal under its key, so the next attempt has another one.
#[test]
fn a_refund_that_the_balance_does_not_cover_is_asked_for_under_the_next_key() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let payment = taken(&stripe).await?;
        for refusals in 0..2 {
            stand_in.trouble("/refunds", Trouble::RefusedAndStored("balance_insufficient"));
            for _ in 0..2 {
                let refused = stripe.refund(&payment, &Refund { refusals, ..part(2_500) }).await;
                ensure!(matches!(refused, Err(Error::NotNow(_))), "{refused:?}");
            }
        }
        for again in [false, true] {
            stripe.refund(&payment, &Refund { refusals: 2, again, ..part(2_500) }).await?;
        }
        assert_eq!(stand_in.intent(ORDER)?.1.refunded, 2_500);
        Ok(())
    });
}

#[test]
fn nobody_there_is_no_decline() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        drop(stand_in);
        let payment = Payment { reference: Some("pi_1".to_owned()), ..payment() };
        ensure!(matches!(stripe.authorize(&payment, VISA).await, Err(Error::Unavailable(_))));
        ensure!(matches!(stripe.capture(&payment).await, Err(Error::Unavailable(_))));
        ensure!(matches!(stripe.refund(&payment, &part(1)).await, Err(Error::Unavailable(_))));
        ensure!(stripe.look_up(&payment).await.is_err() && stripe.reverse(&payment).await.is_err());
        Ok(())
    });
}
