//! Faults of Stripe: it is slow, busy, fails, or its answer is lost. In the end each request has
//! its effect once, or none has.

use super::{
    ORDER, VISA,
    gateway::{captured, partial_refund},
    payment,
    stand_in::Fault,
    stripe,
};
use crate::support::run;
use anyhow::{Result, ensure};
use std::time::Duration;
use tokio::time::timeout;
use worker::payment::{ChargeStatus, Error, Gateway, Payment, Refund, Stripe};

/// The timeout of one attempt.
const LIMIT: Duration = Duration::from_secs(1);
/// The maximum number of attempts for one fault.
const ATTEMPTS: usize = 4;
/// The calls that pay and refund an order, by the ends of their paths.
const CALLS: [&str; 4] = ["/payment_intents", "/confirm", "/capture", "/refunds"];

/// One attempt to pay and refund, as the worker makes it. After a failed attempt, it first asks the
/// gateway for the state.
async fn attempt(stripe: &Stripe, is_retry: bool) -> Result<(), Error> {
    let mut payment = payment();
    let status = if is_retry { stripe.look_up(&payment).await? } else { ChargeStatus::Open };
    let (reference, captured) = match status {
        ChargeStatus::Open => (stripe.authorize(&payment, VISA).await?, false),
        ChargeStatus::Authorized(reference) => (reference, false),
        ChargeStatus::Captured(reference) => (reference, true),
        ChargeStatus::Declined(reason) => return Err(Error::Declined(reason)),
    };
    payment.reference = Some(reference);
    if !captured {
        stripe.capture(&payment).await?;
    }
    stripe.refund(&payment, &partial_refund(2_500)).await
}

/// Repeats the attempt until it succeeds. Returns how many failed.
async fn until_done(stripe: &Stripe) -> Result<usize> {
    for failed in 0..ATTEMPTS {
        match timeout(LIMIT, attempt(stripe, failed > 0)).await {
            Ok(Ok(())) => return Ok(failed),
            Ok(Err(Error::Declined(reason))) => anyhow::bail!("declined: {reason}"),
            Ok(Err(error @ (Error::TemporarilyRefused(_) | Error::Mismatch(_)))) => return Err(error.into()),
            Ok(Err(Error::Unavailable(_))) | Err(_) => {}
        }
    }
    anyhow::bail!("not done in {ATTEMPTS} attempts")
}

/// Stripe keeps a key for a day. After that, the records still lead to the intent and the refund.
#[test]
fn recorded_effects_are_not_repeated_when_stripe_forgets_the_keys() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let mut payment = payment();
        payment.reference = Some(stripe.authorize(&payment, VISA).await?);
        stand_in.forget_keys();
        assert_eq!(Some(stripe.authorize(&payment, VISA).await?), payment.reference);
        stripe.capture(&payment).await?;
        stripe.refund(&payment, &partial_refund(2_500)).await?;
        stand_in.forget_keys();
        assert!(matches!(stripe.look_up(&payment).await?, ChargeStatus::Captured(_)));
        stripe.refund(&payment, &Refund { may_be_known: true, ..partial_refund(2_500) }).await?;
        let (_, intent) = stand_in.intent(ORDER)?;
        assert_eq!((intent.authorizations, intent.captures, intent.refunded), (1, 1, 2_500));
        Ok(())
    });
}

/// Asserts that an order is authorized, captured and refunded once, with each of these faults in
/// each call.
fn has_one_effect_despite(faults: &[Fault]) {
    run(async {
        for fault in faults {
            for call in CALLS {
                let (stand_in, stripe) = stripe().await?;
                stand_in.inject(call, *fault);
                let failed = until_done(&stripe).await?;
                let (_, intent) = stand_in.intent(ORDER)?;
                let done = (intent.status, intent.authorizations, intent.captures, intent.refunded);
                assert_eq!(done, ("succeeded", 1, 1, 2_500), "{fault:?} at {call}");
                ensure!(failed == 1 && stand_in.all_faults_injected(), "{fault:?} at {call}: {failed} attempts failed");
            }
        }
        Ok(())
    });
}

#[test]
fn a_lost_answer_charges_nothing_twice() {
    has_one_effect_despite(&[Fault::AnswerLost]);
}

#[test]
fn a_busy_stripe_is_retried() {
    has_one_effect_despite(&["idempotency_key_in_use", "lock_timeout", "rate_limit", "unavailable"].map(Fault::Refused));
}

/// Stripe repeats a stored failure for a day. If an intent was created before the failure, a second
/// one exists, which nobody confirms.
#[test]
fn a_failure_stored_by_stripe_does_not_block_the_payment() {
    has_one_effect_despite(&[Fault::Fails { done: false }]);
    run(async {
        for call in &CALLS[1..] {
            let (stand_in, stripe) = stripe().await?;
            stand_in.inject(call, Fault::Fails { done: true });
            until_done(&stripe).await?;
            let (_, intent) = stand_in.intent(ORDER)?;
            assert_eq!((intent.authorizations, intent.captures, intent.refunded), (1, 1, 2_500), "{call}");
        }
        Ok(())
    });
}

/// Stripe stores the refusal under its key, so the next attempt uses another key.
#[test]
fn a_refund_without_balance_is_retried_under_the_next_key() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let payment = captured(&stripe).await?;
        for refusals in 0..2 {
            stand_in.inject("/refunds", Fault::RefusedAndStored("balance_insufficient"));
            for _ in 0..2 {
                let refused = stripe.refund(&payment, &Refund { refusals, ..partial_refund(2_500) }).await;
                ensure!(matches!(refused, Err(Error::TemporarilyRefused(_))), "{refused:?}");
            }
        }
        for may_be_known in [false, true] {
            stripe.refund(&payment, &Refund { refusals: 2, may_be_known, ..partial_refund(2_500) }).await?;
        }
        assert_eq!(stand_in.intent(ORDER)?.1.refunded, 2_500);
        Ok(())
    });
}

/// Two attempts of a refund fail after Stripe has accepted them, each for its own reason. Each
/// reason counts once, in the order of the attempts.
#[test]
fn a_refund_that_fails_later_counts_once() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let payment = captured(&stripe).await?;
        let intent = stand_in.intent(ORDER)?.0;
        let refund = async |refusals| stripe.refund(&payment, &Refund { refusals, may_be_known: true, ..partial_refund(2_500) }).await;
        refund(0).await?;
        stand_in.fail_refund(&intent, "insufficient_funds")?;
        let postponed = refund(0).await;
        ensure!(matches!(postponed, Err(Error::TemporarilyRefused(_))), "{postponed:?}");
        refund(1).await?;
        stand_in.fail_refund(&intent, "lost_or_stolen_card")?;
        let declined = refund(1).await;
        ensure!(matches!(declined, Err(Error::Declined(_))), "{declined:?}");
        Ok(())
    });
}

/// Stripe lists 100 refunds on a page, newest first. The refund in question is on the second page.
#[test]
fn a_refund_is_found_behind_many_others() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let payment = captured(&stripe).await?;
        let known = Refund { may_be_known: true, ..partial_refund(2_500) };
        stripe.refund(&payment, &known).await?;
        let (intent, _) = stand_in.intent(ORDER)?;
        for _ in 0..120 {
            stand_in.refund_in_dashboard(&intent, 1)?;
        }
        stand_in.forget_keys();
        stripe.refund(&payment, &known).await?;
        assert_eq!(stand_in.intent(ORDER)?.1.refunded, 2_620);
        Ok(())
    });
}

#[test]
fn an_unreachable_stripe_is_no_decline() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        drop(stand_in);
        let payment = Payment { reference: Some("pi_1".to_owned()), ..payment() };
        ensure!(matches!(stripe.authorize(&payment, VISA).await, Err(Error::Unavailable(_))));
        ensure!(matches!(stripe.capture(&payment).await, Err(Error::Unavailable(_))));
        ensure!(matches!(stripe.refund(&payment, &partial_refund(1)).await, Err(Error::Unavailable(_))));
        ensure!(stripe.look_up(&payment).await.is_err() && stripe.reverse(&payment).await.is_err());
        Ok(())
    });
}
