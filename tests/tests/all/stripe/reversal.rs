//! Reversal: after it, nothing is charged and nothing can be charged, whatever happened before.

use super::{
    ORDER, VISA,
    gateway::{authorized, captured, partial_refund},
    payment,
    stand_in::Fault,
    stripe,
};
use crate::support::run;
use anyhow::{Result, ensure};
use std::time::Duration;
use tokio::time::timeout;
use worker::payment::{Error, Gateway, Payment, Reversal, Stripe};

/// Repeats the reversal, as the worker does, until its result is known.
async fn reversed(stripe: &Stripe, payment: &Payment) -> Result<Reversal> {
    for _ in 0..4 {
        if let Ok(Ok(reversal)) = timeout(Duration::from_secs(1), stripe.reverse(payment)).await {
            return Ok(reversal);
        }
    }
    anyhow::bail!("not reversed in four attempts")
}

#[test]
fn a_reversed_payment_that_never_began_cannot_be_charged() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        for _ in 0..2 {
            assert_eq!(stripe.reverse(&payment()).await?, Reversal::Nothing);
        }
        let late = stripe.authorize(&payment(), VISA).await;
        ensure!(matches!(&late, Err(Error::Declined(reason)) if reason == "the authorization is not valid any more"), "{late:?}");
        let (_, intent) = stand_in.intent(ORDER)?;
        assert_eq!((intent.status, intent.authorizations), ("canceled", 0));
        Ok(())
    });
}

#[test]
fn an_authorization_is_voided_with_or_without_its_reference() {
    run(async {
        for known in [true, false] {
            let (stand_in, stripe) = stripe().await?;
            let mut payment = authorized(&stripe).await?;
            let id = payment.reference.clone().unwrap_or_default();
            payment.reference = payment.reference.filter(|_| known);
            for _ in 0..2 {
                assert_eq!(stripe.reverse(&payment).await?, Reversal::Voided(id.clone()), "known: {known}");
            }
            assert_eq!(stand_in.intent(ORDER)?.1.status, "canceled");
            let payment = Payment { reference: Some(id), ..payment };
            ensure!(matches!(stripe.authorize(&payment, VISA).await, Err(Error::Declined(_))), "it is held again");
            ensure!(matches!(stripe.capture(&payment).await, Err(Error::Declined(_))), "it is taken");
        }
        Ok(())
    });
}

#[test]
fn a_capture_is_refunded_minus_earlier_refunds() {
    run(async {
        for given in [0, 2_500, 7_500] {
            let (stand_in, stripe) = stripe().await?;
            let payment = captured(&stripe).await?;
            if given > 0 {
                stripe.refund(&payment, &partial_refund(given)).await?;
            }
            for _ in 0..2 {
                ensure!(matches!(stripe.reverse(&payment).await?, Reversal::Refunded(_)), "after {given}");
            }
            assert_eq!(stand_in.intent(ORDER)?.1.refunded, 7_500, "after {given}");
        }
        Ok(())
    });
}

#[test]
fn a_reversal_despite_faults_leaves_nothing_charged() {
    run(async {
        let every = [Fault::AnswerLost, Fault::Fails { done: false }, Fault::Fails { done: true }, Fault::Refused("lock_timeout")];
        for fault in every {
            let (stand_in, stripe) = stripe().await?;
            let payment = authorized(&stripe).await?;
            stand_in.inject("/cancel", fault);
            ensure!(matches!(reversed(&stripe, &payment).await?, Reversal::Voided(_)), "{fault:?}");
            assert_eq!(stand_in.intent(ORDER)?.1.status, "canceled", "{fault:?}");

            let (stand_in, stripe) = super::stripe().await?;
            let payment = captured(&stripe).await?;
            stand_in.inject("/refunds", fault);
            ensure!(matches!(reversed(&stripe, &payment).await?, Reversal::Refunded(_)), "{fault:?}");
            assert_eq!(stand_in.intent(ORDER)?.1.refunded, 7_500, "{fault:?}");

            let (stand_in, stripe) = super::stripe().await?;
            stand_in.inject("/payment_intents", fault);
            assert_eq!(reversed(&stripe, &super::payment()).await?, Reversal::Nothing, "{fault:?}");
            ensure!(stand_in.all_faults_injected());
        }
        Ok(())
    });
}

#[test]
fn a_capture_during_the_reversal_is_refunded() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let payment = authorized(&stripe).await?;
        stand_in.inject("/cancel", Fault::CapturedMeanwhile);
        ensure!(matches!(stripe.reverse(&payment).await?, Reversal::Refunded(_)));
        assert_eq!(stand_in.intent(ORDER)?.1.refunded, 7_500);
        Ok(())
    });
}

#[test]
fn another_orders_intent_is_left_alone() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let theirs = captured(&stripe).await?;
        let ours = Payment { idempotency_key: "ord_01930000000070008000000000000002".to_owned(), ..theirs };
        ensure!(stripe.reverse(&ours).await.is_err() && stripe.statement(&ours).await.is_err());
        let unknown = Payment { reference: Some("pi_unknown".to_owned()), ..ours };
        ensure!(stripe.reverse(&unknown).await.is_err() && stripe.look_up(&unknown).await.is_err());
        assert_eq!(stand_in.intent(ORDER)?.1.refunded, 0);
        Ok(())
    });
}
