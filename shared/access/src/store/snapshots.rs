//! The data that decides about a workbook, as it is now. One consistent batch reads the heads of
//! the rules, the workbook, and the account and groups of each user. The store does not read rules
//! and sheets again that the process has kept under the version of their head.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::future::{try_join, try_join_all, try_join3};
use platform::clock::Timestamp;
use platform::database::{Database, Item, StoreError, read};
use platform::store::{AccountStanding, STANDING_ATTRIBUTES, Users};
use platform::{ConfigError, Platform};

use super::groups::Groups;
use super::memberships::{OfUser, of_user, user_of};
use super::rule_head::{RuleHead, Scope};
use super::rules::Rules;
use super::workbooks::{self, Workbook, Workbooks};
use crate::decision::{Decision, under_deny};
use crate::domain::{Book, Rule, Sheet, Standing};

/// The tables with the data for decisions.
#[derive(Debug, Clone)]
pub struct Snapshots {
    database: Database,
    users: Users,
    groups: Groups,
    rules: Rules,
    workbooks: Workbooks,
}

/// The data that decides about a workbook, for some users.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The workbook; `None` where none was asked for, and where there is none.
    pub workbook: Option<Workbook>,
    /// Its sheets.
    pub sheets: Arc<[Sheet]>,
    /// The head of its rules.
    pub head: RuleHead,
    /// Its rules.
    pub rules: Arc<[Rule]>,
    /// The head of the rules for every workbook.
    pub every_head: RuleHead,
    /// The rules for every workbook.
    pub every: Arc<[Rule]>,
    accounts: BTreeSet<String>,
    standings: HashMap<String, Standing>,
}

/// The items that a batch has found, by table.
type Found = HashMap<String, Vec<Item>>;

impl Snapshots {
    /// Uses the tables that `USERS_TABLE`, `GROUPS_TABLE`, `ACCESS_TABLE` and `WORKBOOKS_TABLE`
    /// name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            users: Users::new(platform)?,
            groups: Groups::new(platform)?,
            rules: Rules::new(platform)?,
            workbooks: Workbooks::new(platform)?,
        })
    }

    /// The data that decides about a workbook, or about none, for at most 21 users. A user without
    /// an active account has no standing. `others` are at most 40 users of whom the store reads
    /// only the accounts: see [`Snapshot::knows`].
    pub async fn load(
        &self,
        workbook_id: Option<&str>,
        user_ids: &[&str],
        others: &[&str],
    ) -> Result<Snapshot, StoreError> {
        let every = Scope::Every;
        let scope = workbook_id.map(|id| Scope::Workbook(id.to_owned()));
        let mut keys = vec![self.rules.place(&every)];
        if let Some(Scope::Workbook(id)) = &scope {
            keys.push(self.rules.place(&Scope::Workbook(id.clone())));
            keys.push((self.workbooks.table.clone(), workbooks::head(id)));
        }
        let (user_ids, others) = (distinct(user_ids), distinct(others));
        keys.extend(user_ids.union(&others).map(|id| self.users.place(id)));
        keys.extend(user_ids.iter().map(|id| (self.groups.table.clone(), of_user(id))));
        let mut found = self.found(keys).await?;
        let heads = rule_heads(found.remove(&self.rules.table))?;
        let head_of = |scope: &Scope| heads.get(scope.key()).copied().unwrap_or_default();
        let workbook = found.remove(&self.workbooks.table).unwrap_or_default().pop();
        let workbook = workbook.map(workbooks::read_head).transpose()?;
        let (every_head, head) = (head_of(&every), scope.as_ref().map(head_of).unwrap_or_default());
        let (accounts, standings) = self.standings(&mut found, &user_ids)?;
        let ((every_head, every), (head, rules), sheets) = try_join3(
            self.rules.of(&every, every_head),
            self.rules_of(scope.as_ref().filter(|_| workbook.is_some()), head),
            self.sheets_of(workbook.as_ref()),
        )
        .await?;
        Ok(Snapshot { workbook, sheets, head, rules, every_head, every, accounts, standings })
    }

    /// The workbooks with these ids, at most 50, each with the data that decides. Those that are
    /// not there are left out; the others keep their order.
    pub async fn load_all(
        &self,
        ids: &[String],
        caller: &Snapshot,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let mut found = self.database.get_each(self.heads(ids)).await?;
        let heads = rule_heads(found.remove(&self.rules.table))?;
        self.each(ids, &mut found, &heads, caller).await
    }

    /// The same for one user, at most 45: one batch reads all that decides.
    pub async fn load_for(
        &self,
        user_id: &str,
        ids: &[String],
    ) -> Result<Vec<Snapshot>, StoreError> {
        let every = Scope::Every;
        let mut keys = self.heads(ids);
        keys.push(self.rules.place(&every));
        keys.push(self.users.place(user_id));
        keys.push((self.groups.table.clone(), of_user(user_id)));
        let mut found = self.found(keys).await?;
        let heads = rule_heads(found.remove(&self.rules.table))?;
        let every_head = heads.get(every.key()).copied().unwrap_or_default();
        let user_ids = [user_id].into();
        let (accounts, standings) = self.standings(&mut found, &user_ids)?;
        let (every_head, every) = self.rules.of(&every, every_head).await?;
        let caller = Snapshot {
            workbook: None,
            sheets: Arc::default(),
            head: RuleHead::default(),
            rules: Arc::default(),
            every_head,
            every,
            accounts,
            standings,
        };
        self.each(ids, &mut found, &heads, &caller).await
    }

    /// The items of these keys. An account has only the attributes that decide.
    async fn found(&self, keys: Vec<(String, Item)>) -> Result<Found, StoreError> {
        let part = (self.users.table(), STANDING_ATTRIBUTES.as_slice());
        self.database.get_each_with(keys, part).await
    }

    /// The keys of the heads of workbooks and their rules.
    fn heads(&self, ids: &[String]) -> Vec<(String, Item)> {
        let keys = ids.iter().flat_map(|id| {
            let scope = Scope::Workbook(id.clone());
            [self.rules.place(&scope), (self.workbooks.table.clone(), workbooks::head(id))]
        });
        keys.collect()
    }

    async fn each(
        &self,
        ids: &[String],
        found: &mut Found,
        heads: &HashMap<String, RuleHead>,
        caller: &Snapshot,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let workbooks = found.remove(&self.workbooks.table).unwrap_or_default();
        let mut workbooks = workbooks
            .into_iter()
            .map(|item| workbooks::read_head(item).map(|workbook| (workbook.id.clone(), workbook)))
            .collect::<Result<HashMap<_, _>, _>>()?;
        let found = ids.iter().filter_map(|id| workbooks.remove(id));
        let load = |workbook: Workbook| {
            let head = heads.get(&workbook.id).copied().unwrap_or_default();
            self.loaded(workbook, head, caller)
        };
        try_join_all(found.map(load)).await
    }

    async fn loaded(
        &self,
        workbook: Workbook,
        head: RuleHead,
        caller: &Snapshot,
    ) -> Result<Snapshot, StoreError> {
        let scope = Scope::Workbook(workbook.id.clone());
        let ((head, rules), sheets) =
            try_join(self.rules.of(&scope, head), self.sheets_of(Some(&workbook))).await?;
        Ok(Snapshot { workbook: Some(workbook), sheets, head, rules, ..caller.clone() })
    }

    async fn rules_of(
        &self,
        scope: Option<&Scope>,
        head: RuleHead,
    ) -> Result<(RuleHead, Arc<[Rule]>), StoreError> {
        match scope {
            Some(scope) => self.rules.of(scope, head).await,
            None => Ok((head, Arc::default())),
        }
    }

    async fn sheets_of(&self, workbook: Option<&Workbook>) -> Result<Arc<[Sheet]>, StoreError> {
        match workbook {
            Some(workbook) => self.workbooks.sheets(workbook).await,
            None => Ok(Arc::default()),
        }
    }

    /// The users with an active account, and the standings of those that decisions are about.
    fn standings(
        &self,
        found: &mut Found,
        user_ids: &BTreeSet<&str>,
    ) -> Result<(BTreeSet<String>, HashMap<String, Standing>), StoreError> {
        let (mut accounts, mut standings) = (BTreeSet::new(), HashMap::new());
        for item in found.remove(self.users.table()).unwrap_or_default() {
            let user: AccountStanding = read(item)?;
            if !user.is_active {
                continue;
            }
            if user_ids.contains(user.id.as_str()) {
                let standing =
                    Standing { user_id: user.id.clone(), roles: user.roles, ..Standing::default() };
                standings.insert(user.id.clone(), standing);
            }
            accounts.insert(user.id);
        }
        for item in found.remove(&self.groups.table).unwrap_or_default() {
            let Some(user_id) = user_of(&item).map(str::to_owned) else { continue };
            if let Some(standing) = standings.get_mut(&user_id) {
                standing.groups = read::<OfUser>(item)?.groups;
            }
        }
        Ok((accounts, standings))
    }
}

impl Snapshot {
    /// The standing of a user that the snapshot was loaded for; `None` without an active account.
    pub fn standing(&self, user_id: &str) -> Option<&Standing> {
        self.standings.get(user_id)
    }

    /// Whether the snapshot has an active account of a user.
    pub fn knows(&self, user_id: &str) -> bool {
        self.accounts.contains(user_id)
    }

    /// The decision about a user at this moment.
    pub fn decision(&self, user_id: &str, now: Timestamp) -> Decision<'_> {
        self.decision_by(user_id, &self.rules, &self.every, now)
    }

    /// Ids of the columns of a sheet that a live deny, about any user, denies.
    pub fn under_deny(&self, sheet: &Sheet, now: Timestamp) -> BTreeSet<String> {
        let (rules, every) = (&self.rules, &self.every);
        under_deny(Book { owner_id: None, sheets: &self.sheets, rules, every }, sheet, now)
    }

    /// The same under these rules. A user without an active account may do nothing.
    pub fn decision_by<'a>(
        &'a self,
        user_id: &str,
        rules: &'a [Rule],
        every: &'a [Rule],
        now: Timestamp,
    ) -> Decision<'a> {
        let sheets = &self.sheets;
        let Some(standing) = self.standing(user_id) else {
            let nothing = Book { owner_id: None, sheets, rules: &[], every: &[] };
            return Decision::new(&Standing::default(), nothing, now);
        };
        let owner_id = self.workbook.as_ref().and_then(|workbook| workbook.owner_id.as_deref());
        Decision::new(standing, Book { owner_id, sheets, rules, every }, now)
    }
}

fn distinct<'a>(ids: &[&'a str]) -> BTreeSet<&'a str> {
    ids.iter().copied().collect()
}

/// The heads of rules, by their scope's key.
fn rule_heads(items: Option<Vec<Item>>) -> Result<HashMap<String, RuleHead>, StoreError> {
    let key = |item: &Item| item.get("workbook").and_then(|key| key.as_s().ok().cloned());
    let heads = items.unwrap_or_default().into_iter().filter_map(|item| Some((key(&item)?, item)));
    heads.map(|(key, item)| Ok((key, read(item)?))).collect()
}
