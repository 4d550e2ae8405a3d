//! Sends messages through SES and SNS, and decides which of their errors are final.
//!
//! Only an error about the recipient is final. All other errors concern the sender or pass by
//! themselves. Examples are an identity that is not verified, an account in the sandbox of SES, a
//! missing permission and a quota. Once somebody has corrected the cause, the message can still be
//! sent.

use super::templates::Mail;
use anyhow::{Context, anyhow};
use aws_sdk_ses::{
    error::{ProvideErrorMetadata, SdkError},
    types::{Body, Content, Destination, Message},
};
use aws_sdk_sns::types::MessageAttributeValue;
use std::error::Error;

/// Whether an error code of SES means that the recipient's address is malformed. `MessageRejected`
/// is not final, because it also means that an identity is not verified.
fn refuses_address(code: &str, _message: &str) -> bool {
    code == "InvalidParameterValue"
}

/// Whether the code and text of an error of SNS mean that the recipient cannot get messages. If the
/// owner of the number has opted out, SNS usually returns no error: it accepts the message and
/// reports only in its delivery log that the message was not delivered.
fn refuses_number(code: &str, message: &str) -> bool {
    code == "OptedOut" || (matches!(code, "InvalidParameter" | "ParameterValueInvalid") && message.to_lowercase().contains("phonenumber"))
}

/// Why the provider did not accept a message.
#[derive(Debug)]
pub(super) enum Failure {
    /// A further attempt would fail in the same way.
    Refused(anyhow::Error),
    /// A further attempt may succeed.
    Temporary(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Temporary(error)
    }
}

pub(super) struct Provider {
    pub(super) ses: aws_sdk_ses::Client,
    pub(super) sns: aws_sdk_sns::Client,
    pub(super) email_from: String,
    /// The configuration set of SES; it defines where SES publishes bounces and complaints.
    pub(super) configuration_set: Option<String>,
}

impl Provider {
    /// Sends an e-mail. Returns the message's id at SES.
    pub(super) async fn send_email(&self, recipient: &str, mail: &Mail) -> Result<String, Failure> {
        let content = |text: &str| Content::builder().data(text).charset("UTF-8").build().context("the e-mail has no content");
        let body = Body::builder().text(content(&mail.text)?).html(content(&mail.html)?).build();
        let message = Message::builder().subject(content(&mail.subject)?).body(body).build();
        let destination = Destination::builder().to_addresses(recipient).build();
        let send = self.ses.send_email().source(&self.email_from).destination(destination).message(message);
        let sent = send.set_configuration_set_name(self.configuration_set.clone()).send().await;
        Ok(sent.map_err(|error| failure("SES", refuses_address, error))?.message_id)
    }

    /// Sends an SMS. Returns the message's id at SNS.
    pub(super) async fn send_sms(&self, recipient: &str, text: &str) -> Result<String, Failure> {
        let transactional = MessageAttributeValue::builder().data_type("String").string_value("Transactional").build();
        let transactional = transactional.context("the message attribute has no type")?;
        let send = self.sns.publish().phone_number(recipient).message(text).message_attributes("AWS.SNS.SMS.SMSType", transactional);
        let sent = send.send().await.map_err(|error| failure("SNS", refuses_number, error))?;
        sent.message_id.ok_or_else(|| Failure::Temporary(anyhow!("SNS returned no message id")))
    }
}

fn failure<E>(service: &'static str, refuses_recipient: fn(&str, &str) -> bool, error: SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let refused = error.code().is_some_and(|code| refuses_recipient(code, error.message().unwrap_or_default()));
    let error = anyhow::Error::new(error).context(service);
    if refused { Failure::Refused(error) } else { Failure::Temporary(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bad_recipient_is_final() {
        assert!(refuses_address("InvalidParameterValue", "Missing final '@domain'"));
        assert!(refuses_number("InvalidParameter", "Invalid parameter: PhoneNumber Reason: +1 is not valid to publish to"));
        assert!(refuses_number("OptedOut", ""));
    }

    #[test]
    fn a_misconfigured_sender_is_not() {
        for code in [
            "MessageRejected",
            "MailFromDomainNotVerifiedException",
            "ConfigurationSetDoesNotExist",
            "AccountSendingPausedException",
            "AccessDenied",
            "Throttling",
            "OptInRequired",
        ] {
            assert!(!refuses_address(code, "Email address is not verified."), "{code}");
        }
        for (code, message) in [
            ("AuthorizationError", "not authorized to perform: SNS:Publish"),
            ("KMSOptInRequired", ""),
            ("Throttled", "Rate exceeded"),
            ("InvalidParameter", "Invalid parameter: Message Reason: empty"),
            ("ValidationException", "no origination entities available to send"),
        ] {
            assert!(!refuses_number(code, message), "{code}");
        }
    }
}
