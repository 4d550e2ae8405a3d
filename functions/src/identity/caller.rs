//! Authorization: all rules about what a caller may do.

use crate::http::{Kind, Problem};
use orders::OrderStatus;
use platform::read_model::StoredOrder;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The caller of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Caller {
    /// Authentication is off. The caller may do everything.
    Anyone,
    /// A customer, who may act only for the customer whose id is the subject.
    Customer { subject: String },
    /// A member of the shop's staff, who may see every order and act on it.
    Staff { subject: String },
    /// An admin: a member of staff who may also move money and stock.
    Admin { subject: String },
}

/// The groups of staff and admins in the user pool (infra/identity.yaml).
const STAFF: &str = "staff";
const ADMIN: &str = "admin";

impl Caller {
    pub(super) fn new<'a>(subject: String, groups: impl Iterator<Item = &'a str>) -> Self {
        let (mut is_staff, mut is_admin) = (false, false);
        for group in groups {
            is_staff |= group == STAFF;
            is_admin |= group == ADMIN;
        }
        match (is_admin, is_staff) {
            (true, _) => Self::Admin { subject },
            (false, true) => Self::Staff { subject },
            (false, false) => Self::Customer { subject },
        }
    }

    /// The caller's subject at the issuer. `None` if authentication is off.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Anyone => None,
            Self::Customer { subject } | Self::Staff { subject } | Self::Admin { subject } => Some(subject),
        }
    }

    /// Whether the caller is this customer or may act for this customer.
    fn acts_for(&self, customer_id: &str) -> bool {
        match self {
            Self::Anyone | Self::Staff { .. } | Self::Admin { .. } => true,
            Self::Customer { subject } => subject == customer_id,
        }
    }

    /// Checks that the caller may place and list orders for this customer.
    ///
    /// # Errors
    /// 403 if it is another customer.
    pub fn ensure_acts_for(&self, customer_id: &str) -> Result<(), Problem> {
        if self.acts_for(customer_id) {
            Ok(())
        } else {
            Err(Problem::new(Kind::Forbidden, "The customerID must be the subject of the token."))
        }
    }

    /// Checks that the caller belongs to the shop's staff.
    ///
    /// # Errors
    /// 403 for a customer.
    pub fn ensure_is_staff(&self) -> Result<(), Problem> {
        match self {
            Self::Anyone | Self::Staff { .. } | Self::Admin { .. } => Ok(()),
            Self::Customer { .. } => Err(Problem::new(Kind::StaffOnly, "The token's subject is in neither of the groups staff and admin.")),
        }
    }

    /// Checks that the caller may move money and stock.
    ///
    /// # Errors
    /// 403 for a customer and for staff who are not admins.
    pub fn ensure_is_admin(&self) -> Result<(), Problem> {
        match self {
            Self::Anyone | Self::Admin { .. } => Ok(()),
            Self::Customer { .. } | Self::Staff { .. } => {
                Err(Problem::new(Kind::AdminOnly, "The token's subject is not in the group admin."))
            }
        }
    }

    /// Checks that the caller may see and cancel an order. If the read model does not have the
    /// order, its customer is not known. Then only staff may cancel it.
    ///
    /// # Errors
    /// 404 if the order is another customer's. The answer must not show that such an order exists.
    pub fn ensure_may_see(&self, order: Option<&StoredOrder>) -> Result<(), Problem> {
        let may_see = match order {
            Some(order) => self.acts_for(&order.customer_id),
            None => !matches!(self, Self::Customer { .. }),
        };
        if may_see { Ok(()) } else { Err(Problem::no_such_order()) }
    }

    /// Whether the caller sees the whole order, including the fields that only staff see.
    #[must_use]
    pub fn sees_staff_fields(&self) -> bool {
        !matches!(self, Self::Customer { .. })
    }

    /// Returns the order's JSON for this caller. For a customer it omits the review reason, because
    /// that reason shows the shop's limits.
    ///
    /// # Errors
    /// 503 if the order cannot be parsed.
    pub fn visible_json(&self, order: StoredOrder) -> Result<String, Problem> {
        if order.status != OrderStatus::InReview || self.sees_staff_fields() {
            return Ok(order.json);
        }
        let unreadable = |error| Problem::unavailable("The order cannot be read right now.", error);
        let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(&order.json).map_err(unreadable)?;
        fields.remove("reviewReason");
        serde_json::to_string(&fields).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(groups: &[&str]) -> Caller {
        Caller::new("ada".to_owned(), groups.iter().copied())
    }

    fn order(customer_id: &str) -> StoredOrder {
        StoredOrder {
            id: "ord_01930000000070008000000000000001".parse().unwrap(),
            customer_id: customer_id.to_owned(),
            status: OrderStatus::default().into(),
            version: 0,
            json: String::new(),
        }
    }

    #[test]
    fn customers_have_what_is_theirs() {
        for groups in [&[][..], &["customers", "Staff", "staff ", "administrators"]] {
            let ada = caller(groups);
            assert!(ada.ensure_acts_for("ada").is_ok() && ada.ensure_acts_for("Ada").is_err() && ada.ensure_acts_for("").is_err());
            assert!(ada.ensure_may_see(Some(&order("ada"))).is_ok());
            assert!(ada.ensure_may_see(Some(&order("bob"))).is_err() && ada.ensure_may_see(None).is_err());
            assert!(ada.ensure_is_staff().is_err() && ada.ensure_is_admin().is_err());
        }
    }

    #[test]
    fn why_an_order_is_reviewed_only_staff_read() {
        let reviewed = |status: OrderStatus| StoredOrder {
            status: status.into(),
            json: r#"{"status":"IN_REVIEW","reviewReason":"4 orders within 24 h","totalAmount":10.10}"#.to_owned(),
            ..order("ada")
        };
        let json = caller(&[]).visible_json(reviewed(OrderStatus::InReview)).unwrap();
        assert_eq!(json, r#"{"status":"IN_REVIEW","totalAmount":10.10}"#);
        for caller in [caller(&["staff"]), Caller::Anyone] {
            assert!(caller.visible_json(reviewed(OrderStatus::InReview)).unwrap().contains("4 orders"));
        }
        assert!(caller(&[]).visible_json(StoredOrder { json: String::new(), ..reviewed(OrderStatus::InReview) }).is_err());
    }

    #[test]
    fn staff_and_everyone_in_an_open_shop_have_everything() {
        for caller in [caller(&["staff"]), caller(&["x", "admin"]), Caller::Anyone] {
            assert!(caller.ensure_acts_for("bob").is_ok());
            assert!(
                caller.ensure_may_see(Some(&order("bob"))).is_ok()
                    && caller.ensure_may_see(None).is_ok()
                    && caller.ensure_is_staff().is_ok()
            );
        }
    }

    #[test]
    fn money_and_stock_are_moved_by_admins() {
        for admin in [caller(&["admin"]), caller(&["staff", "admin"]), Caller::Anyone] {
            assert!(admin.ensure_is_admin().is_ok());
        }
        for other in [caller(&["staff"]), caller(&["Admin", "admins"]), caller(&[])] {
            assert!(other.ensure_is_admin().is_err());
        }
        assert_eq!(caller(&["admin", "staff"]).subject(), Some("ada"));
    }
}
