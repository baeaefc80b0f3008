//! What is asked for: the six fields of a claim and the namespace, on which a decision may depend, and nothing else of it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::Subject;

/// A request for a place. Names are those the claim gave; whether the catalog knows them is the decision's matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request<'a> {
    /// Which group of applications, hence which candidates.
    #[serde(borrow)]
    pub cell: Cow<'a, str>,
    /// Service level, in capitals.
    #[serde(borrow)]
    pub tier: Cow<'a, str>,
    /// Such as dev or prod; the cell says which there are.
    #[serde(borrow)]
    pub environment: Cow<'a, str>,
    /// Instance size.
    pub size: Size,
    /// Storage in GiB.
    #[serde(rename = "storageGB")]
    pub storage_gb: u16,
    /// Asks for a standby in another zone.
    pub ha: bool,
    /// The claim's namespace, for policies; empty where it is not known. The reason leaves it to the claim.
    #[serde(skip)]
    pub namespace: Cow<'a, str>,
}

impl Request<'_> {
    /// The request with nothing borrowed.
    #[must_use]
    pub fn into_owned(self) -> Request<'static> {
        Request {
            cell: Cow::Owned(self.cell.into_owned()),
            tier: Cow::Owned(self.tier.into_owned()),
            environment: Cow::Owned(self.environment.into_owned()),
            size: self.size,
            storage_gb: self.storage_gb,
            ha: self.ha,
            namespace: Cow::Owned(self.namespace.into_owned()),
        }
    }

    /// What policies see of it.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            cell: &self.cell,
            tier: &self.tier,
            environment: &self.environment,
            size: self.size.as_str(),
            storage_gb: self.storage_gb,
            ha: self.ha,
            namespace: &self.namespace,
        }
    }
}

/// Instance size; the compositions say which machine that is in each cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the four words say all there is to say")]
pub enum Size {
    Small,
    Medium,
    Large,
    Xlarge,
}

impl Size {
    /// Every size, smallest first.
    pub const ALL: [Self; 4] = [Self::Small, Self::Medium, Self::Large, Self::Xlarge];

    /// The word a claim uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Xlarge => "xlarge",
        }
    }

    /// The size of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.as_str() == word)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
