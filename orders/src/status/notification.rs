//! The state of a notification.

use super::{UnknownStatus, state_machine};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The state of a notification to a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", parse_err_ty = UnknownStatus, parse_err_fn = UnknownStatus::new)]
pub enum NotificationState {
    /// The order has no contact, so there is nothing to send.
    Recorded,
    /// To be sent.
    Pending,
    /// The provider has accepted the message.
    Sent,
    /// The provider did not accept the message for three days.
    Failed,
    /// The provider reports that the message could not be delivered.
    Bounced,
    /// The recipient complained to the provider.
    Complained,
    /// Not sent, because of a limit, a blocked destination, or its age.
    Suppressed,
}

state_machine! {
    NotificationState starts as [Pending, Recorded];
    Pending => [Sent, Failed, Suppressed] by [Provider];
    Sent => [Failed, Bounced, Complained] by [Provider];
    Bounced => [Complained] by [Provider];
    // Staff send it again.
    Sent => [Pending] by [Staff];
    Failed => [Pending] by [Staff];
    Bounced => [Pending] by [Staff];
    Complained => [Pending] by [Staff];
    Suppressed => [Pending] by [Staff];
}
