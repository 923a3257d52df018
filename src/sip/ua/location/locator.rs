//! Searches under way, their open questions, and the answers.

use super::cache::Cache;
use super::survey::{Spot, Survey, survey};
use super::{Answer, Question, Records, Target, Usable, Wanted};
use rand::Rng;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The daemon owes an answer; after this one isn't waited for any more.
const PATIENCE: Duration = Duration::from_secs(20);
/// Rounds of questions for one search: NAPTR, SRV, addresses, and some that ran out meanwhile.
const MOST_ROUNDS: u8 = 12;

/// Finds servers. `W` says who waits.
#[derive(Debug)]
pub(in crate::sip::ua) struct Locator<W> {
    usable: Usable,
    cache: Cache,
    last_query: u64,
    asked: BTreeMap<u64, Asked>,
    searches: Vec<Search<W>>,
    questions: VecDeque<(u64, Question)>,
    done: VecDeque<(W, Result<Vec<Target>, String>)>,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    deadline: Instant,
}

#[derive(Debug)]
struct Search<W> {
    waiter: W,
    wanted: Wanted,
    rounds: u8,
    /// The spots found, and the query that asks for the routes to them.
    routing: Option<(u64, Vec<Spot>)>,
}

impl<W> Locator<W> {
    pub fn new(usable: Usable) -> Self {
        Self {
            usable,
            cache: Cache::default(),
            last_query: 0,
            asked: BTreeMap::new(),
            searches: Vec::new(),
            questions: VecDeque::new(),
            done: VecDeque::new(),
        }
    }

    /// Starts a search. Drain [`Self::poll_question`] and [`Self::poll_done`] afterwards.
    pub fn find(&mut self, now: Instant, wanted: Wanted, waiter: W, rng: &mut impl Rng) {
        self.searches.push(Search {
            waiter,
            wanted,
            rounds: 0,
            routing: None,
        });
        self.advance(now, rng);
    }

    /// Takes the daemon's answer. One that nobody asked for is ignored.
    pub fn answer(&mut self, now: Instant, query: u64, result: Result<Answer, String>, rng: &mut impl Rng) {
        if let Some(asked) = self.asked.remove(&query) {
            self.learn(now, query, asked.question, result);
            self.advance(now, rng);
        }
    }

    /// Questions the daemon never answered fail.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut impl Rng) {
        let overdue: Vec<u64> = self
            .asked
            .iter()
            .filter(|(_, asked)| now >= asked.deadline)
            .map(|(query, _)| *query)
            .collect();
        for query in overdue {
            self.answer(now, query, Err("the resolver does not answer".to_owned()), rng);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.asked.values().map(|asked| asked.deadline).min()
    }

    /// The next question for the daemon.
    pub fn poll_question(&mut self) -> Option<(u64, Question)> {
        self.questions.pop_front()
    }

    /// A search that has ended; the targets are never empty.
    pub fn poll_done(&mut self) -> Option<(W, Result<Vec<Target>, String>)> {
        self.done.pop_front()
    }

    /// Searches under way.
    pub fn pending(&self) -> usize {
        self.searches.len()
    }

    /// Takes searches back that nobody waits for any more.
    pub fn withdraw(&mut self, wanted: impl Fn(&W) -> bool) {
        self.searches.retain(|search| wanted(&search.waiter));
        self.done.retain(|(waiter, _)| wanted(waiter));
    }

    /// The network has changed: what failed before may succeed now, and what is under way went out of a door that may
    /// be closed.
    pub fn network_changed(&mut self, now: Instant, rng: &mut impl Rng) {
        self.cache.forget_failures(now);
        self.asked.clear();
        self.questions.clear();
        for search in &mut self.searches {
            search.routing = None;
        }
        self.advance(now, rng);
    }

    fn learn(&mut self, now: Instant, query: u64, question: Question, result: Result<Answer, String>) {
        let result = match (&question, result) {
            (Question::Routes(_), result) => return self.routed(query, result),
            (Question::Naptr(_), Ok(answer)) if matches!(answer.records, Records::Naptr(_)) => Ok(answer),
            (Question::Srv(_), Ok(answer)) if matches!(answer.records, Records::Srv(_)) => Ok(answer),
            (Question::Addresses(_), Ok(answer)) if matches!(answer.records, Records::Addresses(_)) => {
                Ok(answer)
            }
            (_, Ok(_)) => Err("the answer is to another question".to_owned()),
            (_, Err(reason)) => Err(reason),
        };
        self.cache.learn(now, question, result);
    }

    /// The routes of a search are here: it has ended.
    fn routed(&mut self, query: u64, result: Result<Answer, String>) {
        let concerned =
            |search: &Search<W>| search.routing.as_ref().is_some_and(|(asked, _)| *asked == query);
        let Some(index) = self.searches.iter().position(concerned) else {
            return;
        };
        let search = self.searches.swap_remove(index);
        let spots = search.routing.map_or(Vec::new(), |(_, spots)| spots);
        let result = match result {
            Ok(Answer {
                records: Records::Routes(routes),
                ..
            }) => {
                let domain: Arc<str> = search.wanted.host.as_str().into();
                let targets = spots.iter().filter_map(|spot| {
                    let route = *routes.iter().find(|route| route.remote == spot.remote)?;
                    Some(Target {
                        transport: spot.transport,
                        route,
                        tier: spot.tier,
                        domain: domain.clone(),
                        secure: search.wanted.secure,
                    })
                });
                let mut targets: Vec<Target> = targets.collect();
                // IPv6 that doesn't reach beyond the house goes last (RFC 6724 rule 2, in short).
                targets.sort_by_key(|target| (target.tier, is_out_of_scope(target)));
                if targets.is_empty() {
                    Err("no route to the server".to_owned())
                } else {
                    Ok(targets)
                }
            }
            Ok(_) => Err("the answer is to another question".to_owned()),
            Err(reason) => Err(reason),
        };
        self.done.push_back((search.waiter, result));
    }

    /// Brings every search as far as what is known allows.
    fn advance(&mut self, now: Instant, rng: &mut impl Rng) {
        let mut index = 0;
        while index < self.searches.len() {
            let search = &mut self.searches[index];
            if search.routing.is_some() {
                index += 1;
                continue;
            }
            match survey(now, &self.cache, self.usable, &search.wanted, rng) {
                Survey::Ask(_) if search.rounds >= MOST_ROUNDS => {
                    let search = self.searches.swap_remove(index);
                    self.done.push_back((
                        search.waiter,
                        Err("the resolver's answers don't come to an end".to_owned()),
                    ));
                }
                Survey::Ask(questions) => {
                    let mut asked_anything = false;
                    for question in questions {
                        let under_way = self.asked.values().any(|asked| asked.question == question);
                        if !under_way {
                            asked_anything = true;
                            ask(
                                &mut self.last_query,
                                &mut self.asked,
                                &mut self.questions,
                                now,
                                question,
                            );
                        }
                    }
                    if asked_anything {
                        self.searches[index].rounds += 1;
                    }
                    index += 1;
                }
                Survey::Found(spots) => {
                    let question = Question::Routes(spots.iter().map(|spot| spot.remote).collect());
                    let query = ask(
                        &mut self.last_query,
                        &mut self.asked,
                        &mut self.questions,
                        now,
                        question,
                    );
                    self.searches[index].routing = Some((query, spots));
                    index += 1;
                }
                Survey::Failed(reason) => {
                    let search = self.searches.swap_remove(index);
                    self.done.push_back((search.waiter, Err(reason)));
                }
            }
        }
    }
}

fn ask(
    last_query: &mut u64,
    asked: &mut BTreeMap<u64, Asked>,
    questions: &mut VecDeque<(u64, Question)>,
    now: Instant,
    question: Question,
) -> u64 {
    *last_query += 1;
    let deadline = now + PATIENCE;
    asked.insert(
        *last_query,
        Asked {
            question: question.clone(),
            deadline,
        },
    );
    questions.push_back((*last_query, question));
    *last_query
}

/// An address of ours that is only good inside, towards one that is outside.
fn is_out_of_scope(target: &Target) -> bool {
    match (target.route.local_ip, target.route.remote.ip()) {
        (IpAddr::V6(local), IpAddr::V6(remote)) => {
            let inside = |ip: std::net::Ipv6Addr| {
                ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback()
            };
            inside(local) && !inside(remote)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
