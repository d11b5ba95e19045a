use anchor_lang::prelude::*;

declare_id!("11111111111111111111111111111111");
use anchor_spl::token::{self, Token, TokenAccount, Transfer};

#[program]
pub mod orchard {
    use super::*;

    pub fn harvest(ctx: Context<Harvest>, amount: u64) -> Result<()> {
        let tree = &ctx.accounts.tree;
        let seeds: &[&[u8]] = &[b"orchard", tree.fruit.as_ref(), &[tree.bump]];
        let call = CpiContext::new_with_signer(
            ctx.accounts.token_program.to_account_info(),
            Transfer {
                from: ctx.accounts.basket.to_account_info(),
                to: ctx.accounts.kitchen.to_account_info(),
                authority: ctx.accounts.gardener.to_account_info(),
            },
            &[seeds],
        );
        token::transfer(call, amount)
    }
}

#[derive(Accounts)]
pub struct Harvest<'info> {
    pub tree: Account<'info, Tree>,
    #[account(mut)]
    pub basket: Account<'info, TokenAccount>,
    #[account(mut)]
    pub kitchen: Account<'info, TokenAccount>,
    /// CHECK: signs by its seeds
    pub gardener: UncheckedAccount<'info>,
    pub token_program: Program<'info, Token>,
}

#[account]
pub struct Tree {
    pub fruit: Pubkey,
    pub bump: u8,
}
